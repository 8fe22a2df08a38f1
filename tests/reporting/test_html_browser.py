"""The pages in a real browser: keys, slider, clicks, both colour schemes, print; nothing from elsewhere."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import FAINT, chromium, media
from test_html_campaign import VERIFIED, hunted
from test_html_failure import data_of, failures, hostile_failure

from schedule_explorer import Failure, SharedVariable, explore
from schedule_explorer.reporting.html.campaign import campaign_page
from schedule_explorer.reporting.html.pages import write


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(driver: Any, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Open a page; what it complains of, or fetches, is an error."""

    def opened(page: str) -> Any:
        write(page, tmp_path / "page.html")
        media(driver)
        driver.get((tmp_path / "page.html").as_uri())
        return driver

    yield opened
    assert driver.get_log("browser") == []
    assert ask(driver, "performance.getEntriesByType('resource').map(each => each.name)") == []


@pytest.fixture(scope="module")
def orphan() -> Failure:
    return failures()["orphan"]


def ask(driver: Any, script: str) -> Any:
    return driver.execute_script(f"return {script}")


def press(driver: Any, *keys: str) -> int:
    """Press keys; return the number of the step that is selected then."""
    driver.execute_script("""for (const key of arguments[0])
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}))""", keys)
    return chosen(driver)


def chosen(driver: Any) -> int:
    """Return the number of the step that is selected; slider, text, row and panel must agree."""
    rows, slider, place, current, panel = ask(driver, """[
        [...document.querySelectorAll(".chosen")].map(each => Number(each.dataset.step)),
        Number(document.getElementById("slider").value), document.getElementById("place").textContent,
        document.querySelector("[aria-current=step]").dataset.step,
        document.querySelector(".panel h2").textContent]""")
    [step] = rows
    assert (slider, current) == (step + 1, str(step))
    assert place.startswith(f"step {step + 1} of ") and panel.startswith(f"Step {step + 1} of ")
    return int(step)


def shown(driver: Any) -> set[int]:
    """Return the steps whose rows are there to be seen."""
    return set(ask(driver, """[...document.querySelectorAll(".row[data-step]")]
        .filter(each => each.offsetHeight).map(each => Number(each.dataset.step))"""))


def test_every_way_to_a_step(show: Callable[[str], Any], orphan: Failure) -> None:
    page = show(orphan.html())
    data = data_of(orphan)
    last = len(data.script["steps"]) - 1
    first_mark, second_mark = data.script["marks"]
    assert chosen(page) == second_mark
    assert press(page, "1") == first_mark and press(page, "2") == second_mark
    assert press(page, "Home") == 0 == press(page, "ArrowUp") == press(page, "k")
    assert press(page, "ArrowDown") == 1 and press(page, "j") == 2 and press(page, "ArrowUp") == 1
    assert press(page, "PageDown") == 11 and press(page, "PageUp") == 1
    assert press(page, "End") == last == press(page, "ArrowDown") == press(page, "PageDown")
    page.execute_script(
        "const s = document.getElementById('slider'); s.value = 4; s.dispatchEvent(new Event('input'))"
    )
    assert chosen(page) == 3
    page.find_element("css selector", "[data-step='6'] .op").click()
    assert chosen(page) == 6
    for name, step in (("previous", 5), ("first", 0), ("next", 1), ("last", last)):
        page.find_element("id", name).click()
        assert chosen(page) == step
    page.find_element("css selector", ".conflict .jump").click()
    assert chosen(page) == first_mark


def test_real_keys_reach_the_page(show: Callable[[str], Any], orphan: Failure) -> None:
    page = show(orphan.html())
    body = page.find_element("css selector", "body")
    body.send_keys("\ue011")  # Home
    body.send_keys("\ue015")  # arrow down
    assert chosen(page) == 1


def test_quiet_steps_are_hidden_and_passed_over(show: Callable[[str], Any], orphan: Failure) -> None:
    page = show(orphan.html())
    quiet = {number for number, step in enumerate(data_of(orphan).script["steps"]) if step.get("quiet")}
    assert quiet
    everything = shown(page)
    assert press(page, "q") not in quiet
    assert shown(page) == everything - quiet
    seen, step = {press(page, "Home")}, -1
    while step != (step := press(page, "j")):
        seen.add(step)
    assert seen == everything - quiet
    page.find_element("id", "quiet").click()
    assert shown(page) == everything


@pytest.mark.parametrize("name", ["orphan", "deadlock", "notify"])
def test_the_panel_tells_source_and_state_of_each_step(show: Callable[[str], Any], name: str) -> None:
    failure = failures()[name]
    page = show(failure.html())
    data = data_of(failure)
    threads = data.lanes
    press(page, "Home")
    for number, step in enumerate(data.script["steps"]):
        assert chosen(page) == number
        panel = ask(page, "document.getElementById('panel').innerText")
        assert step["text"] in panel
        if step["frames"]:
            file, line, _ = step["frames"][0]
            here = ask(page, "document.querySelector('.code .here span').textContent")
            assert here == data.script["sources"][file]["lines"][str(line)]
        rows = ask(page, """Object.fromEntries([...document.querySelectorAll('.panel tr')].map(
            row => [row.cells[0].textContent, row.cells[1].textContent]))""")
        threads_now, objects, files = (
            data.script["states"][part][place]
            for part, place in zip(("threads", "objects", "files"), step["state"], strict=True)
        )
        for lane, told, _ in threads_now:
            assert rows[threads[lane]].startswith(told)
        for _, name_, value, holder, items, waiting in objects:
            cell = rows[name_]
            assert cell.startswith(value), (number, name_, cell)
            assert holder < 0 or f" by {threads[holder]}" in cell
            assert all(item in cell for item in items) and all(threads[lane] in cell for lane in waiting)
        shown = ask(page, "[...document.querySelectorAll('.tree li:not(.gone)')].map(each => each.title)")
        assert shown == [path for _, path, _ in files]
        press(page, "ArrowDown")


def test_the_arrows_of_a_step_are_lit(show: Callable[[str], Any], orphan: Failure) -> None:
    page = show(orphan.html())
    data = data_of(orphan)
    lit = "[...new Set([...document.querySelectorAll('path.on')].flatMap(each => each.dataset.e.split(' ')))]"
    for step in range(len(data.script["steps"])):
        press(page, *(["Home"] if not step else ["j"]))
        own = {number for number, edge in enumerate(data.edges) if step in (edge.earlier, edge.later)}
        assert own <= set(map(int, ask(page, lit)))
        lines = ask(page, "[...document.querySelectorAll('line.on')].map(each => each.dataset.e.split(' '))")
        assert all(own & set(map(int, numbers)) for numbers in lines) and bool(lines) == bool(own)
        links = ask(page, "[...document.querySelectorAll('.links button')].map(e => parseInt(e.innerText))")
        steps = data.script["steps"][step]
        assert [link - 1 for link in links] == [*steps["after"], *steps["before"]]


def test_everything_can_be_read_in_both_colour_schemes(show: Callable[[str], Any], orphan: Failure) -> None:
    pages = {
        "failure": orphan.html("schedule-explorer replay it"), "eight": eight_threads().html(),
        "deadlock": failures()["deadlock"].html(),
        "campaign": campaign_page([VERIFIED, hunted("1", 5)]),
    }
    for name, text in pages.items():
        page = show(text)
        page.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
        backs = set()
        for scheme in ("light", "dark"):
            media(page, scheme=scheme)
            assert page.execute_script(FAINT) == [], (name, scheme)
            backs.add(ask(page, "getComputedStyle(document.body).backgroundColor"))
        assert len(backs) == 2


def eight_threads() -> Failure:
    def body() -> None:
        total = SharedVariable(0, "total")

        def add() -> None:
            total.store(total.load() + 1)

        threads = [threading.Thread(target=add, name=f"adder-{number}") for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert total.load() == 8

    failure = explore(body, "random").failure
    assert failure is not None
    return failure


def test_a_printed_page_has_every_row_and_no_control(show: Callable[[str], Any], orphan: Failure) -> None:
    page = show(orphan.html("schedule-explorer replay it"))
    press(page, "q")
    media(page, "print", "dark")
    assert ask(page, "[...document.querySelectorAll('.controls, .panel')].every(e => !e.offsetHeight)")
    assert shown(page) == set(range(len(orphan.trace.events)))
    assert ask(page, "document.getElementById('token').checkVisibility({contentVisibilityAuto: true})")
    assert ask(page, "(each => each.scrollHeight <= each.offsetHeight)(document.querySelector('.picture'))")
    assert ask(page, "getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.execute_script(FAINT) == []


def test_names_of_the_program_run_nothing(show: Callable[[str], Any]) -> None:
    failure = hostile_failure()
    page = show(failure.html("<script>hacked = 1</script>"))
    data = data_of(failure)
    press(page, "Home")
    for _ in data.script["steps"]:
        assert not ask(page, "document.images.length || typeof hacked !== 'undefined'")
        press(page, "j")
    assert "<img src=x onerror=hacked=1>" in ask(page, "document.querySelector('.names').textContent")
    assert "<script>hacked = 1</script>" in ask(page, "document.getElementById('panel').textContent")


def test_every_control_says_what_it_is(show: Callable[[str], Any], orphan: Failure) -> None:
    page = show(orphan.html())
    named = "(each) => (each.getAttribute('aria-label') || each.textContent).trim().length > 0"
    assert ask(page, f"[...document.querySelectorAll('button, input, section, nav, aside')].every({named})")
    assert ask(page, "document.querySelectorAll('.op[tabindex=\"0\"]').length") == 1
    assert ask(page, "document.getElementById('slider').getAttribute('aria-valuetext')").startswith("step ")


def test_five_hundred_steps(show: Callable[[str], Any]) -> None:
    def body() -> None:
        jobs: queue.Queue[int] = queue.Queue()
        done = SharedVariable(0, "done")

        def work() -> None:
            for _ in range(60):
                jobs.get()
                done.store(done.load() + 1)

        threads = [threading.Thread(target=work, name=f"worker-{number}") for number in range(2)]
        for thread in threads:
            thread.start()
        for number in range(120):
            jobs.put(number)
        for thread in threads:
            thread.join()
        assert done.load() == 120

    failure = explore(body, "random").failure
    assert failure is not None
    page = show(failure.html())
    count = len(failure.trace.events)
    assert count >= 480
    assert press(page, "Home") == 0
    assert press(page, *["PageDown"] * (count // 10 + 1)) == count - 1
    assert press(page, *["k"] * 100) == count - 101
    page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    box = ask(page, """(() => { const row = document.querySelector('.chosen').getBoundingClientRect(),
        frame = document.querySelector('.picture').getBoundingClientRect();
        return row.top >= frame.top && row.bottom <= frame.bottom })()""")
    assert box, "the selected step is out of sight"


def test_the_page_of_campaigns(show: Callable[[str], Any]) -> None:
    page = show(campaign_page([VERIFIED, hunted("1", 5), hunted("<b>2</b>", 50)]))
    tables = ask(page, """[...document.querySelectorAll('table')].map(table =>
        [...table.rows].map(row => [...row.cells].map(cell => cell.innerText.trim())))""")
    verdicts, bugs, coverage = tables
    assert [row[3] for row in verdicts[1:]] == ["failed"] * 3
    assert [row[3] for row in bugs[1:]] == ["29", "5", "50"]
    assert [row[1] for row in coverage[1:]] == ["7", "50", "57"]
    bars = ask(page, "[...document.querySelectorAll('.found')].map(e => e.getBoundingClientRect().width)")
    assert [bar / max(bars) for bar in bars] == [pytest.approx(count / 50, abs=0.01) for count in (29, 5, 50)]
    assert "bug <b>2</b>" in ask(page, "document.body.innerText")
