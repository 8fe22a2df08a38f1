"""One module a tool: it runs a program under that tool in its own process, and prints one line of JSON."""
