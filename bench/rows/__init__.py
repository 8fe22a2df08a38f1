"""One module a row; `ROWS` of `bench.__main__` names them."""
