"""Templates for ``--format``: Go's text/template over plain values.

Values are None, bool, int, float, str, lists and mappings. Nothing else is reached: a template
reads what it is given and cannot call into the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecsmachine.cli.display import go_template_nodes as syntax
from ecsmachine.cli.display.go_template_functions import (
    Record,
    TemplateError,
    call,
    field,
    type_name,
    value_text,
)
from ecsmachine.cli.display.go_template_syntax import parse, parsing_error

__all__ = ["Record", "Template"]


class Template:
    """A template that was parsed.

    Raises :class:`~ecsmachine.errors.UsageError` naming the place if ``text`` is none.
    """

    def __init__(self, text: str):
        self._text = text
        self._tree = parse(text)

    def render(self, data: Any) -> str:
        """Return the text for ``data``.

        Raises :class:`~ecsmachine.errors.UsageError` if the template does not fit it.
        """
        output: list[str] = []
        _Rendering(self._text, output, {"$": data}, self._tree.defined).nodes(
            self._tree.nodes, data
        )
        return "".join(output)


class _LoopLeftError(Exception):
    """A loop is left, or its next turn begun, from somewhere inside."""

    def __init__(self, *, ends_loop: bool):
        super().__init__()
        self.ends_loop = ends_loop


class _Rendering:
    """One rendering of a template, in one scope of variables.

    A block gets its own scope; what it sets with ``=`` is set where it was declared.
    """

    def __init__(
        self,
        text: str,
        output: list[str],
        variables: dict[str, Any],
        defined: dict[str, list[syntax.Node]],
        outer: _Rendering | None = None,
        depth: int = 0,
    ):
        self._text = text
        self._output = output
        self._variables = variables
        self._defined = defined
        self._outer = outer
        self._depth = depth

    def nodes(self, nodes: list[syntax.Node], dot: Any) -> None:
        """Add the text of ``nodes`` to the output."""
        for node in nodes:
            if isinstance(node, syntax.Text):
                self._output.append(node.text)
            elif isinstance(node, syntax.Print):
                value = self._evaluate(node.pipeline, dot)
                if not node.pipeline.variables:
                    self._output.append("<no value>" if value is None else value_text(value))
            elif isinstance(node, syntax.Range):
                self._inner().range(node, dot)
            elif isinstance(node, syntax.Conditional):
                self._inner().conditional(node, dot)
            elif isinstance(node, syntax.Include):
                self._include(node, dot)
            else:
                raise _LoopLeftError(ends_loop=node.ends_loop)

    def conditional(self, node: syntax.Conditional, dot: Any) -> None:
        """Add the text of the branch whose condition holds."""
        for pipeline, body in node.branches:
            value = self._evaluate(pipeline, dot)
            if value:
                self._inner().nodes(body, value if node.moves_dot else dot)
                return
        self._inner().nodes(node.otherwise, dot)

    def range(self, node: syntax.Range, dot: Any) -> None:
        """Add the text of the body for every element."""
        pipeline = node.pipeline
        value = self._commands(pipeline, dot)
        elements: list[tuple[Any, Any]]
        if isinstance(value, list):
            elements = list(enumerate(value))
        elif isinstance(value, Mapping):
            elements = [(key, value[key]) for key in sorted(value)]
        elif value is None:
            elements = []
        else:
            raise self._error(pipeline.commands[0], f"range can't iterate over {type_name(value)}")
        for key, element in elements:
            inner = self._inner()
            # one variable takes the element, two take the index or key as well
            targets = (key, element)[-len(pipeline.variables) :] if pipeline.variables else ()
            for name, target in zip(pipeline.variables, targets, strict=True):
                inner._set(name, target, pipeline.declares)
            try:
                inner.nodes(node.body, element)
            except _LoopLeftError as left:
                if left.ends_loop:
                    break
        if not elements:
            self._inner().nodes(node.otherwise, dot)

    def _include(self, node: syntax.Include, dot: Any) -> None:
        """Add the text of a template that is defined."""
        if node.name not in self._defined:
            raise parsing_error(self._text, node.at, f'template "{node.name}" not defined')
        if self._depth == _MAX_DEPTH:
            raise parsing_error(self._text, node.at, "exceeded maximum template depth")
        value = self._evaluate(node.pipeline, dot) if node.pipeline else None
        inner = _Rendering(
            self._text, self._output, {"$": value}, self._defined, depth=self._depth + 1
        )
        try:
            inner.nodes(self._defined[node.name], value)
        except RecursionError:  # sooner, where each is deep in others
            raise parsing_error(self._text, node.at, "exceeded maximum template depth") from None

    def _inner(self) -> _Rendering:
        return _Rendering(self._text, self._output, {}, self._defined, self, self._depth)

    def _set(self, name: str, value: Any, declares: bool) -> None:
        if declares or name in self._variables:
            self._variables[name] = value
        elif self._outer:
            self._outer._set(name, value, declares)

    def _get(self, name: str) -> Any:
        if name not in self._variables and self._outer:
            return self._outer._get(name)
        return self._variables[name]

    def _evaluate(self, pipeline: syntax.Pipeline, dot: Any) -> Any:
        value = self._commands(pipeline, dot)
        for name in pipeline.variables:
            self._set(name, value, pipeline.declares)
        return value

    def _commands(self, pipeline: syntax.Pipeline, dot: Any) -> Any:
        piped: list[Any] = []
        for command in pipeline.commands:
            try:
                piped = [self._command(command, piped, dot)]
            except TemplateError as error:
                raise self._error(command, str(error)) from None
        return piped[0]

    def _command(self, command: syntax.Command, piped: list[Any], dot: Any) -> Any:
        first, *others = command.operands
        if not isinstance(first, syntax.Function):
            if others:
                raise TemplateError(f"can't give argument to non-function {command.text}")
            return self._operand(first, dot)
        arguments: list[Any] = []
        for operand in others:
            arguments.append(self._operand(operand, dot))
            if first.name in _DECIDED_BY and bool(arguments[-1]) is _DECIDED_BY[first.name]:
                return arguments[-1]
        return call(first.name, arguments + piped)

    def _operand(self, operand: syntax.Expression, dot: Any) -> Any:
        if isinstance(operand, syntax.Literal):
            return operand.value
        if isinstance(operand, syntax.Dot):
            return dot
        if isinstance(operand, syntax.Variable):
            return self._get(operand.name)
        if isinstance(operand, syntax.Function):
            return call(operand.name, [])
        if isinstance(operand, syntax.Pipeline):
            return self._commands(operand, dot)
        value = self._operand(operand.of, dot)
        for name in operand.names:
            value = field(value, name)
        return value

    def _error(self, command: syntax.Command, what: str) -> Exception:
        return parsing_error(self._text, command.at, f"at <{command.text}>: {what}")


_MAX_DEPTH = 50
"""How deep templates may include each other, or themselves."""

_DECIDED_BY = {"and": False, "or": True}
"""The truth of an argument that ends the evaluation of the others."""
