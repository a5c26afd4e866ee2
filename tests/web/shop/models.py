"""What the shop sells. A registry of its own keeps these tables out of the project's migrations."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from core import Encrypted


class Base(SQLModel, registry=registry()):
    """The root of the shop's tables."""


class Colour(Enum):
    RED = "red"
    SKY_BLUE = "sky_blue"


class Maker(Base, table=True):
    __tablename__ = "shop_maker"

    id: int | None = Field(default=None, primary_key=True)
    name: str


class Item(Base, table=True):
    __tablename__ = "shop_item"
    __table_args__ = (CheckConstraint("weight < 1000000", name="liftable"),)

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, min_length=2, max_length=40)
    maker_id: int | None = Field(default=None, foreign_key="shop_maker.id")
    colour: Colour | None = None
    price: Decimal | None = Field(default=None, ge=0, decimal_places=2, description="In euro.")
    stock: int | None = Field(default=None, ge=0, le=1000)
    weight: float | None = None
    sold_on: date | None = None
    made_at: datetime | None = None
    is_new: bool | None = None
    url: str = ""
    note: str = ""
    code: str = Field(default="", regex=r"^([A-Z]{3}-\d+)?$")
    password: str = ""
    recipe: str | None = Field(default=None, sa_type=Encrypted)
