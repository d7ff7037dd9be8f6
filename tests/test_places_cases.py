"Files written whole or not at all."

import pytest

from chip.data.places import written_aside


def test_what_is_interrupted_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a" / "b.txt"
    with written_aside(target) as aside:
        aside.write_text("first")
    with pytest.raises(KeyError), written_aside(target) as aside:
        aside.write_text("half")
        raise KeyError("interrupted")
    assert target.read_text() == "first" and list(target.parent.iterdir()) == [target]


def test_a_file_that_came_meanwhile_stays(tmp_path):
    target = tmp_path / "b.txt"
    with written_aside(target, replace=False) as aside:
        aside.write_text("first")
    with pytest.raises(FileExistsError), written_aside(target, replace=False) as aside:
        aside.write_text("second")
    assert target.read_text() == "first" and list(tmp_path.iterdir()) == [target]
