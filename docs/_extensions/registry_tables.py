"""Directives that write the tables of families, links, errors and data sets from the program itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from glmstat import datasets, errors
from glmstat.activations import ACTIVATIONS
from glmstat.families import FAMILIES, as_family
from glmstat.links import LINKS


def families() -> Iterator[tuple[str, ...]]:
    yield "name", "class", "response", "default link", "links", "dispersion", "likelihood"
    for name, made in FAMILIES.items():
        family = as_family(name)
        yield (
            code(name),
            code(made.__name__),
            family.domain.text,
            code(family.link.text),
            ", ".join(map(code, family.links)) if family.links else "all",
            "1" if family.dispersion == 1.0 else "estimated",
            "yes" if family.has_likelihood else "no",
        )


def links() -> Iterator[tuple[str, ...]]:
    yield "name", "class", "what it is", "means it can map"
    for name, link in LINKS.items():
        low, high = link.means
        yield code(name), code(link.__name__), first_sentence(link), f"({low:g}, {high:g})"


def activations() -> Iterator[tuple[str, ...]]:
    yield "activation", "inverse of the link"
    for name, activation in ACTIVATIONS.items():
        yield code(name), code(activation.link) if activation.link else "none"


def kinds(base: type) -> Callable[[], Iterator[tuple[str, ...]]]:
    """Return the rows of all classes of `glmstat.errors` that derive from `base`."""

    def rows() -> Iterator[tuple[str, ...]]:
        yield "class", "caught as", "when"
        for name in errors.__all__:
            found = getattr(errors, name)
            if issubclass(found, base) and found is not base:
                yield code(name), code(found.__bases__[-1].__name__), first_sentence(found)

    return rows


def data_sets() -> Iterator[tuple[str, ...]]:
    yield "name", "rows", "what it is"
    for name in datasets.list():
        card = datasets.describe(name)
        yield code(name), f"{card.rows:,}", card.title


TABLES: dict[str, Callable[[], Iterable[tuple[str, ...]]]] = {
    "families": families,
    "links": links,
    "activations": activations,
    "errors": kinds(errors.GlmstatError),
    "warnings": kinds(errors.GlmstatWarning),
    "datasets": data_sets,
}


def code(word: Any) -> str:
    return f"`{word}`"


def first_sentence(found: Any) -> str:
    return (inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " ").replace("|", r"\|")


def markdown(rows: Iterable[tuple[str, ...]]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    rule = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([head, rule, *body])


class RegistryTable(SphinxDirective):
    """`{registry} NAME`: one of TABLES as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(markdown(TABLES[self.arguments[0]]()))


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("registry", RegistryTable)
    return {"parallel_read_safe": True}
