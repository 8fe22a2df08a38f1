"""What the pytest plugin is made of: settings, one execution of a test, its exploration, the words for it.

`schedule_explorer.pytest_plugin` has the hooks. Nothing here is imported before a test is explored, but for
`settings` and `summary`.
"""
