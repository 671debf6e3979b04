"""The grammar of Go's text/template, as far as ``--format`` uses it: text to a tree.

Source: the package documentation of Go's text/template. Left out: complex numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecsmachine.cli.display.go_template_functions import FUNCTIONS
from ecsmachine.cli.display.go_template_nodes import (
    Command,
    Conditional,
    Dot,
    Expression,
    Fields,
    Function,
    Include,
    Leave,
    Literal,
    Node,
    Pipeline,
    Print,
    Range,
    Text,
    Tree,
    Variable,
)
from ecsmachine.errors import UsageError
from ecsmachine.suggestions import did_you_mean

_MAX_DEPTH = 100
_BLANKS = " \t\r\n"

_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r\n]+)
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<raw>`[^`]*`)
    | (?P<character>'(?:[^'\\\n]|\\.)+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
        |(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)\w*)
    | (?P<field>\.[^\W\d]\w*)
    | (?P<dot>\.)
    | (?P<variable>\$\w*)
    | (?P<word>[^\W\d]\w*)
    | (?P<mark>:=|[=|(),])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{3})|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r"|U(?P<U>[0-9a-fA-F]{8})|(?P<plain>.))",
    re.DOTALL,
)
_PLAIN_ESCAPES = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int
    spaced: bool
    """Whether a blank stands before it."""


@dataclass
class _Action:
    at: int
    tokens: list[_Token]


def parse(template: str) -> Tree:
    """Return the tree of a template. Raises :class:`UsageError` that names the place."""
    return _Parser(template).parse()


def parsing_error(template: str, at: int, what: str) -> UsageError:
    """Return the error for the character ``at`` of a template."""
    before = template[:at]
    line = before.count("\n") + 1
    column = at - (before.rfind("\n") + 1) + 1
    return UsageError(
        f"template parsing error: line {line}, column {column}: {what}", given_as="--format"
    )


class _Parser:
    """Reads one template."""

    def __init__(self, template: str):
        self._template = template
        self._items = self._split()
        self._next_item = 0
        self._tokens: list[_Token] = []
        self._next = 0
        self._variables = ["$"]
        self._depth = 0
        self._loops = 0
        self._defined: dict[str, list[Node]] = {}

    def parse(self) -> Tree:
        nodes, end = self._nodes()
        if end:
            raise self._error(end.at, f"unexpected {{{{{end.text}}}}}")
        return Tree(nodes, self._defined)

    # From characters to text and actions

    def _split(self) -> list[str | _Action]:
        items: list[str | _Action] = []
        position, trim = 0, False
        while position < len(self._template):
            start = self._template.find("{{", position)
            text = self._template[position : None if start < 0 else start]
            if trim:
                text = text.lstrip(_BLANKS)
            if start < 0:
                items.append(text)
                break
            inside = start + 2
            if self._template[inside : inside + 1] == "-" and (
                self._template[inside + 1 : inside + 2] in tuple(_BLANKS)
            ):
                text = text.rstrip(_BLANKS)
                inside += 2
            items.append(text)
            comment = inside
            while self._template[comment : comment + 1] in tuple(_BLANKS):
                comment += 1
            if comment - inside <= 1 and self._template.startswith("/*", comment):
                position, trim = self._skip_comment(comment)
                continue
            tokens, position, trim = self._tokenize(start, inside)
            items.append(_Action(start, tokens))
        return items

    def _skip_comment(self, start: int) -> tuple[int, bool]:
        end = self._template.find("*/", start + 2)
        if end < 0:
            raise self._error(start, "unclosed comment")
        for close, trims in (("}}", False), (" -}}", True)):
            if self._template.startswith(close, end + 2):
                return end + 2 + len(close), trims
        raise self._error(start, "comment ends before closing delimiter")

    def _tokenize(self, start: int, position: int) -> tuple[list[_Token], int, bool]:
        tokens: list[_Token] = []
        spaced = True
        while True:
            if self._template.startswith("}}", position):
                return tokens, position + 2, False
            if spaced and self._template.startswith("-}}", position):
                return tokens, position + 3, True
            match = _TOKEN.match(self._template, position)
            if match is None:
                if position >= len(self._template):
                    raise self._error(start, "unclosed action")
                character = self._template[position]
                if character in "\"`'":
                    raise self._error(position, "unterminated quoted string")
                raise self._error(position, f'unexpected "{character}" in action')
            kind = match.lastgroup or ""
            if kind != "blank":
                tokens.append(_Token(kind, match.group(), position, spaced))
            spaced = kind == "blank"
            position = match.end()

    # From actions to nodes

    def _nodes(self) -> tuple[list[Node], _Token | None]:
        """Return the nodes up to the next ``else`` or ``end``, and that word's token."""
        nodes: list[Node] = []
        while self._next_item < len(self._items):
            item = self._items[self._next_item]
            self._next_item += 1
            if isinstance(item, str):
                if item:
                    nodes.append(Text(item))
                continue
            if not item.tokens:
                raise self._error(item.at, "missing value for command")
            self._tokens, self._next = item.tokens, 0
            first = self._tokens[0]
            if first.kind != "word" or first.text not in _KEYWORDS:
                nodes.append(Print(self._whole_pipeline("command")))
            elif first.text in ("else", "end"):
                self._next = 1
                if first.text == "end":
                    self._expect_end_of_action()
                return nodes, first
            else:
                self._next = 1
                node = self._control(first)
                if node:
                    nodes.append(node)
        return nodes, None

    def _control(self, word: _Token) -> Node | None:
        """Return the node that begins with a keyword; None if it only defines a template."""
        if word.text in ("break", "continue"):
            self._expect_end_of_action()
            if not self._loops:
                raise self._error(word.at, f"{{{{{word.text}}}}} outside {{{{range}}}}")
            return Leave(ends_loop=word.text == "break")
        self._enter(word.at)
        known = len(self._variables)
        node: Node | None
        if word.text in ("define", "block", "template"):
            node = self._named(word)
        else:
            node = self._range(word) if word.text == "range" else self._conditional(word)
        del self._variables[known:]
        self._depth -= 1
        return node

    def _named(self, word: _Token) -> Include | None:
        """Read ``define``, ``template``, or ``block``, which is both."""
        if word.text == "define" and self._depth > 1:
            raise self._error(word.at, "unexpected {{define}}")
        token = self._peek()
        if token is None or token.kind not in ("string", "raw"):
            raise self._error(token.at if token else word.at, f"missing name for {word.text}")
        name = str(self._constant(token))
        self._next += 1
        if word.text == "block" or (word.text == "template" and self._peek()):
            pipeline = self._whole_pipeline(word.text)
        else:
            pipeline = None
            self._expect_end_of_action()
        if word.text != "template":
            variables, loops = self._variables, self._loops
            self._variables, self._loops = ["$"], 0  # a template knows nothing of where it stands
            self._defined[name], end = self._nodes()
            self._variables, self._loops = variables, loops
            self._expect_end(word, end)
        return None if word.text == "define" else Include(name, pipeline, word.at)

    def _range(self, word: _Token) -> Node:
        pipeline = self._whole_pipeline("range", most_variables=2)
        self._loops += 1
        body, end = self._nodes()
        self._loops -= 1
        node = Range(pipeline, body)
        if end and end.text == "else":
            self._expect_end_of_action()
            node.otherwise, end = self._nodes()
        self._expect_end(word, end)
        return node

    def _conditional(self, word: _Token) -> Node:
        node = Conditional(moves_dot=word.text == "with")
        while True:
            pipeline = self._whole_pipeline(word.text)
            body, end = self._nodes()
            node.branches.append((pipeline, body))
            if not end or end.text == "end":
                break
            if self._next < len(self._tokens):
                again = self._tokens[self._next]
                if again.text != word.text:
                    raise self._error(again.at, f'unexpected "{again.text}" in else')
                self._next += 1
                continue
            node.otherwise, end = self._nodes()
            break
        self._expect_end(word, end)
        return node

    def _expect_end(self, word: _Token, end: _Token | None) -> None:
        if end is None:
            raise self._error(word.at, f"{{{{{word.text}}}}} has no {{{{end}}}}")
        if end.text != "end":
            raise self._error(end.at, "expected end; found {{else}}")

    def _expect_end_of_action(self) -> None:
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            raise self._error(token.at, f'unexpected "{token.text}" in action')

    # From tokens to pipelines

    def _whole_pipeline(self, context: str, most_variables: int = 1) -> Pipeline:
        variables, declares = self._targets(most_variables)
        pipeline = self._pipeline(context)
        self._expect_end_of_action()
        if declares:
            self._variables.extend(variables)
        return Pipeline(pipeline.commands, variables, declares)

    def _targets(self, most: int) -> tuple[tuple[str, ...], bool]:
        """Read ``$x :=``, ``$x =`` or, in a range, ``$i, $x :=``; nothing if there is none."""
        kinds = [(token.kind, token.text) for token in self._tokens[self._next : self._next + 4]]
        for count, mark in ((1, 1), (2, 3)):
            if len(kinds) <= mark or kinds[mark] not in (("mark", ":="), ("mark", "=")):
                continue
            targets = self._tokens[self._next : self._next + mark : 2]
            if any(token.kind != "variable" for token in targets):
                continue
            if count > most or (count == 2 and kinds[1] != ("mark", ",")):
                raise self._error(targets[-1].at, "too many declarations")
            declares = kinds[mark][1] == ":="
            if not declares:
                for token in targets:
                    self._check_variable(token)
            self._next += mark + 1
            return tuple(token.text for token in targets), declares
        return (), False

    def _pipeline(self, context: str) -> Pipeline:
        commands: list[Command] = []
        while True:
            commands.append(self._command(context))
            token = self._peek()
            if token is None or token.text != "|" or token.kind != "mark":
                break
            self._next += 1
        for command in commands[1:]:
            if not isinstance(command.operands[0], Function):
                raise self._error(command.at, "non executable command in pipeline")
        return Pipeline(tuple(commands))

    def _command(self, context: str) -> Command:
        operands: list[Expression] = []
        first = self._peek()
        while (token := self._peek()) is not None and token.text not in ("|", ")"):
            if operands and not token.spaced:
                raise self._error(token.at, f'unexpected "{token.text}" in operand')
            operands.append(self._operand(token))
        if first is None or not operands:
            at = first.at if first else self._tokens[-1].at
            raise self._error(at, f"missing value for {context}")
        end = self._tokens[self._next - 1]
        return Command(tuple(operands), self._template[first.at : end.at + len(end.text)], first.at)

    def _operand(self, token: _Token) -> Expression:
        self._next += 1
        expression = self._term(token)
        names = []
        while (following := self._peek()) and following.kind == "field" and not following.spaced:
            names.append(following.text[1:])
            self._next += 1
        if not names:
            return expression
        if isinstance(expression, Fields):
            return Fields(expression.of, (*expression.names, *names))
        if isinstance(expression, Literal):
            raise self._error(token.at, f'unexpected "." after "{token.text}"')
        return Fields(expression, tuple(names))

    def _term(self, token: _Token) -> Expression:
        if token.kind == "word":
            return self._word(token)
        if token.kind == "field":
            return Fields(Dot(), (token.text[1:],))
        if token.kind == "dot":
            return Dot()
        if token.kind == "variable":
            self._check_variable(token)
            return Variable(token.text)
        if token.kind in ("number", "raw", "string", "character"):
            return Literal(self._constant(token))
        if token.text == "(":
            return self._parenthesis(token)
        raise self._error(token.at, f'unexpected "{token.text}" in operand')

    def _word(self, token: _Token) -> Expression:
        constants: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
        if token.text in constants:
            return Literal(constants[token.text])
        if token.text not in FUNCTIONS:
            meant = did_you_mean(token.text, FUNCTIONS)
            reason = f'function "{token.text}" not defined. {meant}'.rstrip(". ")
            raise self._error(token.at, reason)
        return Function(token.text)

    def _parenthesis(self, token: _Token) -> Expression:
        self._enter(token.at)
        pipeline = self._pipeline("parenthesized pipeline")
        self._depth -= 1
        closing = self._peek()
        if closing is None:
            raise self._error(token.at, "unclosed left paren")
        self._next += 1
        return pipeline

    def _constant(self, token: _Token) -> str | int | float:
        if token.kind == "number":
            return self._number(token)
        text = token.text[1:-1]
        if token.kind != "raw":
            text = _ESCAPE.sub(lambda match: self._unescape(match, token), text)
        if token.kind != "character":
            return text
        if len(text) != 1:
            raise self._error(token.at, f"malformed character constant: {token.text}")
        return ord(text)

    def _number(self, token: _Token) -> int | float:
        try:
            return int(token.text, 0)
        except ValueError:
            pass
        try:
            return float(token.text)
        except ValueError:
            raise self._error(token.at, f'bad number syntax: "{token.text}"') from None

    def _unescape(self, match: re.Match[str], token: _Token) -> str:
        if match["plain"] is not None:
            if match["plain"] not in _PLAIN_ESCAPES:
                raise self._error(token.at, f"unknown escape in {token.text}")
            return _PLAIN_ESCAPES[match["plain"]]
        if match["octal"]:
            return chr(int(match["octal"], 8))
        code = int(match["x"] or match["u"] or match["U"], 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise self._error(token.at, f"no such character in {token.text}")
        return chr(code)

    def _check_variable(self, token: _Token) -> None:
        if token.text not in self._variables:
            raise self._error(token.at, f'undefined variable "{token.text}"')

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _enter(self, at: int) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(at, "nested too deeply")

    def _error(self, at: int, what: str) -> UsageError:
        return parsing_error(self._template, at, what)


_KEYWORDS = frozenset(
    "if else end range with break continue define template block".split()  # noqa: SIM905
)
