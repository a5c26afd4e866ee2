"""`python -m core`: the tool's own command line."""

from .cli import main

if __name__ == "__main__":
    main()
