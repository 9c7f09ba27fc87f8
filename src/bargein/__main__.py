"""`python -m bargein`: the same as `bargein`."""

from bargein.cli import app

if __name__ == "__main__":
    app()
