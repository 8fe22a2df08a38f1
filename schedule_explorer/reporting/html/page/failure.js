"use strict";
// Selects a step by key, slider or click, and tells its source lines and the state after it. Whatever comes
// from the program is put in as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { steps, states, sources, threads } = data;
  const find = (id) => document.getElementById(id);
  const [picture, panel, slider, place] = ["picture", "panel", "slider", "place"].map(find);
  const rows = new Map();
  for (const row of picture.querySelectorAll("[data-step]")) rows.set(Number(row.dataset.step), row);
  const arrows = new Map();
  const arrowsOf = new Map();
  let chosen = -1;
  let hideQuiet = false;
  let revealing = 0;

  function make(tag, text, kind) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }
  const ownColor = (lane) => (lane < 0 ? "" : `t${lane % 8}`);
  const shown = (step) => step >= 0 && step < steps.length && !(hideQuiet && steps[step].quiet);

  // -- arrows of a step: those that end in its row, and those that begin there --------------------------------
  for (const part of picture.querySelectorAll("[data-e]")) {
    for (const edge of part.dataset.e.split(" ")) {
      if (!arrows.has(edge)) arrows.set(edge, []);
      arrows.get(edge).push(part);
    }
  }
  for (const [edge, parts] of arrows) {
    for (const part of [parts[0], parts[parts.length - 1]]) {
      const { step } = part.closest(".row").dataset;
      if (!arrowsOf.has(step)) arrowsOf.set(step, []);
      arrowsOf.get(step).push(edge);
    }
  }
  function light(step, on) {
    for (const edge of arrowsOf.get(String(step)) || []) {
      for (const part of arrows.get(edge)) part.classList.toggle("on", on);
    }
  }

  // -- the panel ------------------------------------------------------------------------------------------
  function link(step) {
    const button = make("button", `${step + 1}  ${threads[steps[step].lane]}: ${steps[step].text}`);
    button.type = "button";
    button.addEventListener("click", () => choose(step));
    return button;
  }
  function linkList(title, found) {
    if (!found.length) return;
    panel.append(make("h2", title));
    const list = make("div", undefined, "links");
    list.append(...found.map(link));
    panel.append(list);
  }
  function code(frame) {
    const [file, line] = frame;
    const block = make("div", undefined, "code");
    const lines = sources[file].lines;
    for (let number = line - 4; number <= line + 4; number++) {
      if (lines[number] === undefined) continue;
      const row = make("div", undefined, number === line ? "here" : "");
      row.append(make("i", String(number)), make("span", lines[number] || " "));
      block.append(row);
    }
    return block.children.length ? block : make("p", "The source is not to be had.", "nothing");
  }
  function sourceOf(step) {
    steps[step].frames.forEach((frame, depth) => {
      const where = `${sources[frame[0]].name}:${frame[1]} in ${frame[2]}`;
      if (depth === 0) {
        panel.append(make("p", where, "place"), code(frame));
        return;
      }
      const caller = make("details");
      caller.append(make("summary", `called at ${where}`), code(frame));
      panel.append(caller);
    });
    if (!steps[step].frames.length) panel.append(make("p", "No source line was noted.", "nothing"));
  }
  const part = (step, which, number) =>
    step < 0 || !steps[step].state ? [] : states[which][steps[step].state[number]];
  function nameOf(lane) {
    return make("span", threads[lane], `own ${ownColor(lane)}`);
  }
  function threadTable(step) {
    const before = new Map(part(step - 1, "threads", 0).map((each) => [each[0], String(each)]));
    const table = make("table");
    for (const each of part(step, "threads", 0)) {
      const [lane, told, holder] = each;
      const row = make("tr", undefined, step > 0 && before.get(lane) !== String(each) ? "changed" : "");
      const head = make("th", threads[lane], ownColor(lane));
      head.scope = "row";
      const cell = make("td", told);
      if (holder >= 0 && !told.startsWith("waits for")) cell.append(", held by ", nameOf(holder));
      row.append(head, cell);
      table.append(row);
    }
    panel.append(make("h2", "Threads after this step"), table);
  }
  const titles = {
    lock: "Locks", condition: "Conditions", semaphore: "Semaphores", event: "Events", queue: "Queues",
    variable: "Shared variables",
  };
  // Every object that is met at all has its row from the first step on, so that nothing jumps.
  const known = new Map();
  for (const objects of states.objects) {
    for (const each of objects) {
      if (!known.has(each[0])) known.set(each[0], new Set());
      known.get(each[0]).add(each[1]);
    }
  }
  const byNumber = new Intl.Collator("en", { numeric: true }).compare;
  function objectTables(step) {
    const now = new Map(part(step, "objects", 1).map((each) => [each[1], each]));
    const before = new Map(part(step - 1, "objects", 1).map((each) => [each[1], JSON.stringify(each)]));
    for (const family of Object.keys(titles)) {
      if (!known.has(family)) continue;
      const table = make("table");
      for (const name of [...known.get(family)].sort(byNumber)) {
        const each = now.get(name);
        const row = make("tr");
        const head = make("th", name);
        head.scope = "row";
        const cell = make("td", each ? each[2] : "—");
        if (each) {
          if (before.has(name) && before.get(name) !== JSON.stringify(each)) row.className = "changed";
          if (each[3] >= 0) cell.append(" by ", nameOf(each[3]));
          if (each[5].length) {
            cell.append(family === "condition" ? ": " : ", waiting: ");
            each[5].forEach((lane, place) => cell.append(place ? ", " : "", nameOf(lane)));
          }
          if (each[4].length) {
            const items = make("ol", undefined, "items mono");
            items.append(...each[4].map((item) => make("li", item)));
            cell.append(items);
          }
        }
        row.append(head, cell);
        table.append(row);
      }
      panel.append(make("h2", titles[family]), table);
    }
  }
  function fileTree(step) {
    if (!states.files.some((each) => each.length)) return;
    const now = part(step, "files", 2);
    const before = new Map(part(step - 1, "files", 2).map((each) => [each[1], each]));
    const list = make("ul", undefined, "tree");
    const paths = new Set(now.map((each) => each[1]));
    const gone = step > 0 ? [...before.values()].filter((each) => !paths.has(each[1])) : [];
    const all = [...now, ...gone].sort((a, b) => (a[1] < b[1] ? -1 : 1));
    for (const each of all) {
      const [kind, path, detail] = each;
      const bare = path.replace(/\/$/, "");
      const depth = kind === "more" ? 0 : bare.split("/").length - 1;
      const item = make("li");
      const old = before.get(path);
      if (!paths.has(path)) item.className = "gone";
      else if (step > 0 && steps[step - 1].state && !old) item.className = "added";
      else if (old && (old[0] !== kind || old[2] !== detail)) item.className = "changed";
      item.style.paddingLeft = `${depth * 16}px`;
      const name = kind === "more" ? path : bare.split("/").pop() + (kind === "directory" ? "/" : "");
      item.append(make("span", name, "path"));
      item.title = path;
      if (detail && paths.has(path)) item.append(make("span", ` ${detail}`, "size"));
      list.append(item);
    }
    panel.append(make("h2", "Files"), all.length ? list : make("p", "none", "nothing"));
  }
  function tell(step) {
    const { lane, text, note, value, after, before, state, mark } = steps[step];
    panel.replaceChildren();
    const title = make("h2", `Step ${step + 1} of ${steps.length} · `);
    title.append(nameOf(lane));
    if (mark) title.append(" ", make("span", String(mark), "badge"));
    const operation = make("p", text, "operation mono");
    if (note) operation.append(make("span", ` → ${note}`, value ? "note value" : "note"));
    panel.append(title, operation);
    sourceOf(step);
    linkList("Happens directly after", after);
    linkList("Happens directly before", before);
    if (!state) {
      panel.append(make("h2", "State"), make("p", `Not noted: ${data.noStates || "nothing was seen here"}.`, "nothing"));
      return;
    }
    threadTable(step);
    objectTables(step);
    fileTree(step);
  }

  // -- selecting ------------------------------------------------------------------------------------------
  function choose(step, scroll = true) {
    step = Math.max(0, Math.min(steps.length - 1, step));
    if (!shown(step)) setQuiet(false);
    if (chosen >= 0) {
      light(chosen, false);
      const old = rows.get(chosen);
      old.classList.remove("chosen");
      old.removeAttribute("aria-current");
      old.querySelector(".op").tabIndex = -1;
    }
    chosen = step;
    light(step, true);
    const row = rows.get(step);
    row.classList.add("chosen");
    row.setAttribute("aria-current", "step");
    row.querySelector(".op").tabIndex = 0;
    slider.value = String(step + 1);
    const told = `step ${step + 1} of ${steps.length}`;
    place.textContent = told;
    slider.setAttribute("aria-valuetext", `${told}, ${threads[steps[step].lane]}: ${steps[step].text}`);
    for (const id of ["first", "previous"]) find(id).disabled = step === 0;
    for (const id of ["next", "last"]) find(id).disabled = step === steps.length - 1;
    tell(step);
    // Once a frame, however many steps a key that is held down goes over.
    if (scroll && !revealing) revealing = requestAnimationFrame(reveal);
  }
  function reveal() {
    revealing = 0;
    const row = rows.get(chosen);
    row.scrollIntoView({ block: "nearest" });
    const box = row.querySelector(".op").getBoundingClientRect();
    const frame = picture.getBoundingClientRect();
    const right = Math.min(box.right - frame.right + 20, box.left - frame.left - 80);
    if (box.left < frame.left + 80) picture.scrollLeft -= frame.left - box.left + 80;
    else if (right > 0) picture.scrollLeft += right;
  }
  function move(by) {
    let step = chosen + Math.sign(by);
    for (let left = Math.abs(by); step >= 0 && step < steps.length; step += Math.sign(by)) {
      if (shown(step) && --left <= 0) break;
    }
    if (step < 0 || step >= steps.length) {
      step = by < 0 ? steps.findIndex((_, each) => shown(each)) : steps.findLastIndex((_, each) => shown(each));
    }
    choose(step);
  }
  const first = () => choose(steps.findIndex((_, each) => shown(each)));
  const last = () => choose(steps.findLastIndex((_, each) => shown(each)));
  function setQuiet(hide) {
    if (!find("quiet")) return;
    hideQuiet = hide;
    picture.classList.toggle("hide-quiet", hide);
    find("quiet").setAttribute("aria-pressed", String(hide));
  }
  function toggleQuiet() {
    setQuiet(!hideQuiet);
    if (shown(chosen)) choose(chosen);
    else move(1);
  }
  const keys = {
    ArrowDown: () => move(1), j: () => move(1), ArrowUp: () => move(-1), k: () => move(-1),
    PageDown: () => move(10), PageUp: () => move(-10), Home: first, End: last, q: toggleQuiet,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // The panel scrolls with these keys itself.
    if (event.target.closest && event.target.closest(".panel, .top") && event.key.length > 1) return;
    const mark = data.marks[Number(event.key) - 1];
    if (mark !== undefined) choose(mark);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });
  slider.addEventListener("input", () => {
    const step = Number(slider.value) - 1;
    if (shown(step)) choose(step);
    else {
      const near = steps.findIndex((_, each) => each >= step && shown(each));
      choose(near < 0 ? steps.findLastIndex((_, each) => shown(each)) : near);
    }
  });
  picture.addEventListener("click", (event) => {
    const row = event.target.closest("[data-step]");
    if (row && !String(getSelection())) choose(Number(row.dataset.step), false);
  });
  for (const button of document.querySelectorAll(".jump")) {
    button.addEventListener("click", () => choose(Number(button.dataset.step)));
  }
  find("first").addEventListener("click", first);
  find("last").addEventListener("click", last);
  find("previous").addEventListener("click", () => move(-1));
  find("next").addEventListener("click", () => move(1));
  if (find("quiet")) find("quiet").addEventListener("click", toggleQuiet);
  find("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(find("token").textContent);
      find("copied").textContent = "copied";
    } catch {
      getSelection().selectAllChildren(find("token"));
      find("copied").textContent = "selected: copy it with the keyboard";
    }
  });
  // Where the trouble is, to begin with.
  if (steps.length) choose(data.marks.length ? data.marks[data.marks.length - 1] : steps.length - 1);
})();
