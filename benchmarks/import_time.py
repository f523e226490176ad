"""What `import glmstat` costs, in CPU time, as a part of `import pandas, scipy.special`. Aim: at most 0.8."""

import subprocess
import sys

from measure import write

ROUNDS = 9
TIMED = "import time; start = time.process_time(); {code}; print(time.process_time() - start)"
STATEMENTS = {
    "glmstat": "import glmstat",
    "pandas, scipy.special": "import pandas, scipy.special",
    "first fit": "import glmstat; glmstat.glm('y ~ x', {'y': [1, 2, 4, 4], 'x': [0, 1, 2, 3]}, 'poisson')",
}


def cpu_seconds(code: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", TIMED.format(code=code)], capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def main() -> None:
    rounds = [{name: cpu_seconds(code) for name, code in STATEMENTS.items()} for _ in range(ROUNDS)]
    least = {name: min(times[name] for times in rounds) for name in STATEMENTS}
    ratio = least["glmstat"] / least["pandas, scipy.special"]
    for name, seconds in least.items():
        print(f"{name:24}{seconds:8.3f} s CPU")
    print(f"{'ratio':24}{ratio:8.3f}   (aim: at most 0.8)")
    write("import_time", {"cpu_seconds": least, "ratio": ratio, "aim": 0.8})


if __name__ == "__main__":
    main()
