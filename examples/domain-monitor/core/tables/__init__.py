"""Tables: declared in a few lines, their whole state in the URL, rows fetched as columns and shown as cells."""

from .declare import Cell, Column
from .export import TYPES, export
from .query import UrlState
from .table import Picked, Table, TableView

__all__ = ["TYPES", "Cell", "Column", "Picked", "Table", "TableView", "UrlState", "export"]
