"""``python -m tektree`` is the command ``tektree``."""

from tektree.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
