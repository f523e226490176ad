"""Print the results of `workloads.py` in Markdown; `--write` puts them into the page of the docs.

For each workload the latest session in which glmstat was run: ratios are never taken between sessions. Of all
runs of a program, with its own threads and with one, the least CPU, wall time and memory are quoted.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goals import GOALS, OURS, Bounded, Faster, Quoted
from measure import RESULTS
from one_run import UNIT
from samples import WORKLOADS

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- results: python benchmarks/table.py --write -->", "<!-- end of results -->"
DECODING, GRAM, BINCOUNT = "decoding pass", "Gram product", "`bincount` Gram product"
TITLES = {"W0": "imports", "W6m": "memory of a fit that streams, by rows"}


def latest(sessions: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    holding = [
        session
        for session in sessions
        if any(run["workload"] == name and run["peer"] == OURS for run in session["runs"])
    ]
    return holding[-1] if holding else None


def quoted_of(session: dict[str, Any], name: str) -> tuple[Quoted, dict[str, str]]:
    """Return the figures to quote by program, and the words of those that failed in every run."""
    runs = [run for run in session["runs"] if run["workload"] == name]
    failed = {run["peer"]: run["error"] for run in runs if "error" in run}
    done: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        if "error" not in run:
            done.setdefault(run["peer"], []).append(run)
    quoted = {peer: least(found) for peer, found in done.items()}
    return quoted, {peer: words for peer, words in failed.items() if peer not in quoted}


def least(runs: list[dict[str, Any]]) -> dict[str, Any]:
    best = min(runs, key=lambda run: run["cpu"])
    for field in ("wall", "extra_mb"):
        sizes = [run[field] for run in runs if run.get(field) is not None]
        best = best | {field: min(sizes) if sizes else None}
    return best


def unit_of(name: str) -> str:
    workload = WORKLOADS[name]
    return DECODING if workload.parquet else BINCOUNT if workload.factors else GRAM


def seconds(value: float) -> str:
    return f"{1e3 * value:.2f} ms" if value < 0.02 else f"{value:.3f} s" if value < 1 else f"{value:.2f} s"


def multiple(value: float) -> str:
    return f"{value:.2f}" if value < 2 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def row(peer: str, run: dict[str, Any], quoted: Quoted) -> str:
    errors = run.get("differences", {})
    unit = multiple(run["cpu"] / quoted[UNIT]["cpu"]) if UNIT in quoted else ""
    times = multiple(run["cpu"] / quoted[OURS]["cpu"]) if OURS in quoted else ""
    memory = "" if run.get("extra_mb") is None else f"{run['extra_mb']:.0f}"
    digits = [f"{errors[part]:.0e}" if part in errors else "" for part in ("coef", "std_error")]
    clocks = [seconds(run["cpu"]), unit, times, seconds(run["wall"]) if run["wall"] else ""]
    return "| " + " | ".join([peer, *clocks, memory, run.get("work", ""), *digits]) + " |"


HEAD = (
    "| | CPU | in units | times glmstat's | wall | extra MB | work | coef | SE |\n"
    "|---|---:|---:|---:|---:|---:|---|---:|---:|"
)


def results(name: str, quoted: Quoted, failed: dict[str, str]) -> Iterator[str]:
    yield HEAD
    for peer, run in sorted(quoted.items(), key=lambda item: item[1]["cpu"]):
        label = f"({unit_of(name)}: the unit)" if peer == UNIT else peer
        yield row(label, run, quoted)
    for peer, words in failed.items():
        yield f"| {peer} | failed: {words.replace('|', chr(92) + '|')} | | | | | | | |"


def verdict(goal: Faster | Bounded, value: float | None, failed: dict[str, str]) -> str:
    if value is None:
        return f"**missed**: {goal.ours} failed" if goal.ours in failed else "not measured"
    if goal.stretch is not None and goal.met(value, goal.stretch):
        return "met, stretch too"
    return "met" if goal.met(value, goal.bound) else "**missed**"


def goal_rows(name: str, quoted: Quoted, failed: dict[str, str]) -> Iterator[str]:
    yield "| goal | stretch | reached | |\n|---|---:|---:|---|"
    for goal in GOALS[name]:
        value = goal.reached(quoted)
        stretch = "" if goal.stretch is None else goal.shown(goal.stretch)
        reached = "" if value is None else goal.shown(value)
        words = goal.words().replace(UNIT, unit_of(name)) if name in WORKLOADS else goal.words()
        yield f"| {words} | {stretch} | {reached} | {verdict(goal, value, failed)} |"


def memory_rows(session: dict[str, Any]) -> Iterator[str]:
    yield "| rows | extra MB | CPU | wall |\n|---:|---:|---:|---:|"
    for run in session["runs"]:
        if run["workload"] == "W6m":
            figures = (
                f"failed: {run['error']} | | "
                if "error" in run
                else f"{run['extra_mb']:.0f} | {seconds(run['cpu'])} | {seconds(run['wall'])}"
            )
            yield f"| {run['rows']:,} | {figures} |"


def title(name: str) -> str:
    if name not in WORKLOADS:
        return f"### {name}: {TITLES[name]}"
    workload = WORKLOADS[name]
    return f"### {name}: {workload.title}, {workload.rows:,} × {workload.columns:,}"


def circumstances(session: dict[str, Any]) -> str:
    machine = session["machine"]
    programs = ", ".join(f"{name} {found}" for name, found in session["versions"].items() if found)
    return (
        f"{session['taken'][:10]}, {machine['processor']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, {programs}; source {session['source']}{load(session)}."
    )


def load(session: dict[str, Any]) -> str:
    """Return how busy the machine was, where that was kept."""
    loads = [run["load"] for run in session["runs"] if run.get("load") is not None]
    return f"; load of the machine {min(loads):.1f} to {max(loads):.1f}" if loads else ""


def section(name: str, session: dict[str, Any]) -> Iterator[str]:
    yield title(name)
    if name == "W6m":
        yield "\n".join(memory_rows(session))
        return
    quoted, failed = quoted_of(session, name)
    yield "\n".join(results(name, quoted, failed))
    yield "\n".join(goal_rows(name, quoted, failed))


def page(sessions: list[dict[str, Any]]) -> str:
    parts: list[str] = []
    said = None
    for name in (*GOALS, "W6m"):
        session = latest(sessions, name)
        if session is None:
            parts += [title(name), "Not measured."]
            continue
        if circumstances(session) != said:
            said = circumstances(session)
            parts.append(said)
        parts += section(name, session)
    return "\n\n".join(parts)


def main() -> None:
    text = page(json.loads((RESULTS / "workloads.json").read_text("utf-8")))
    if sys.argv[1:] != ["--write"]:
        print(text)
        return
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
