"""What a template of ``--format`` is made of: the tree that its text is parsed to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Literal:
    """A constant: string, number, boolean or nil."""

    value: str | int | float | bool | None


@dataclass(frozen=True)
class Dot:
    """The value that a template, ``range`` or ``with`` is at."""


@dataclass(frozen=True)
class Variable:
    """``$name``; ``$`` alone is what the whole template was given."""

    name: str


@dataclass(frozen=True)
class Function:
    """The name of a function."""

    name: str


@dataclass(frozen=True)
class Fields:
    """``.A.B`` of another expression."""

    of: Expression
    names: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """An operand, or a function with its arguments; ``text`` and ``at`` are for errors."""

    operands: tuple[Expression, ...]
    text: str
    at: int


@dataclass(frozen=True)
class Pipeline:
    """Commands, each given the value of the one before; ``variables`` take the last value."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


Expression = Literal | Dot | Variable | Function | Fields | Pipeline


@dataclass(frozen=True)
class Text:
    """What is printed as it is."""

    text: str


@dataclass(frozen=True)
class Print:
    """A pipeline whose value is printed, unless it sets a variable."""

    pipeline: Pipeline


@dataclass
class Conditional:
    """``if`` or ``with``, and their ``else``: the first branch whose condition holds.

    Inside ``with`` the dot is the value of the condition.
    """

    moves_dot: bool
    branches: list[tuple[Pipeline, list[Node]]] = field(default_factory=list)
    otherwise: list[Node] = field(default_factory=list)


@dataclass
class Range:
    """``range``: the body for every element; the rest if there is none."""

    pipeline: Pipeline
    body: list[Node]
    otherwise: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Leave:
    """``break`` or ``continue``."""

    ends_loop: bool


@dataclass(frozen=True)
class Include:
    """``template``: a template that is defined, with the value of the pipeline as its dot."""

    name: str
    pipeline: Pipeline | None
    at: int


Node = Text | Print | Conditional | Range | Leave | Include


@dataclass(frozen=True)
class Tree:
    """What was parsed: the nodes, and the templates that ``define`` and ``block`` name."""

    nodes: list[Node]
    defined: dict[str, list[Node]]
