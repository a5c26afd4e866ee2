"""Tables: declared in a few lines, their whole state in the URL, rows fetched as columns and shown as cells."""

from .declare import Cell, Column, Table
from .state import UrlState
from .view import TableView

__all__ = ["Cell", "Column", "Table", "TableView", "UrlState"]
