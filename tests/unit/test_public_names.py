import ast
import inspect
import subprocess
import sys

import soleil_remediate


def _declared_for_type_checkers() -> set[str]:
    tree = ast.parse(inspect.getsource(soleil_remediate))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_every_public_name_is_there_sorted_and_known_to_type_checkers() -> None:
    names = soleil_remediate.__all__
    assert names == sorted(names)
    assert set(names) == _declared_for_type_checkers()
    for name in names:
        if name == "open_remediation":
            continue  # the test below imports it, with all it needs
        assert getattr(soleil_remediate, name).__name__ == name


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    script = (
        "import sys; import soleil_remediate; "
        "print(*sorted(name for name in sys.modules if name.startswith('soleil_remediate.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    assert not hasattr(soleil_remediate, "open_remedation")
