"""Tables: declared in a few lines, their whole state in the URL, rows fetched as columns and shown as cells."""

from .declare import Cell, Column
from .export import TYPES, export
from .state import UrlState
from .table import Picked, Table
from .view import TableView

__all__ = ["TYPES", "Cell", "Column", "Picked", "Table", "TableView", "UrlState", "export"]
