# SPDX-License-Identifier: Apache-2.0
"""Old configs are read as data: what mmcv would read, and nothing that runs."""

from pathlib import Path

import pytest
from zoo_openmmlab_migration.reading.files import read_config

from zoo.errors import ConfigError


def _write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / "own.py"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x = dict(a=1, **dict(b=2))", {"a": 1, "b": 2}),
        ("n = 3\nx = [1.0] * n + [0.1]", [1.0, 1.0, 1.0, 0.1]),
        ("s = (640, 480)\nx = (-s[0] // 2, s[1] ** 2)", (-320, 230400)),
        ("x = [dict(type='Resize', r=r) for r in (1, 2) if r > 1]", [{"type": "Resize", "r": 2}]),
        ("root = 'data/'\nx = f'{root}coco' + '%d.json' % 3", "data/coco3.json"),
        ("import os.path as osp\nx = osp.join('a', 'b.json')", "a/b.json"),
        ("x = []\nfor n in range(3):\n    x.append(n * 2)", [0, 2, 4]),
        ("big = False\nx = 'l' if big else 's'", "s"),
        ("x = dict(a=1)\nx.update(b=2)\nx['c'] = 3\ndel x['a']", {"b": 2, "c": 3}),
        ("a, (b, c) = 1, (2, 3)\nx = [a, b, c]", [1, 2, 3]),
        ("x = {k: v for k, v in dict(a=1).items()}", {"a": 1}),
        ("x = '{{ fileBasenameNoExtension }}_work'", "own_work"),
        ("def f():\n    return 1\nx = 2", 2),
        ("x = 1\nx += 4", 5),
        ("x = [1]\ny = x\ny += [2]", [1, 2]),
        ("x = [1]\ny = x\nx = x + [2]\ny += [3]", [1, 2]),
        ("x = dict(a=[1])\nx['a'] += [2]", {"a": [1, 2]}),
        ("x = dict(a=1)\ny = x\ny |= dict(b=2)", {"a": 1, "b": 2}),
        ("x = (1,)\ny = x\ny += (2,)", (1,)),
    ],
)
def test_read_config_computes_data(text: str, value: object, tmp_path: Path) -> None:
    """The value is what Python itself gives."""
    assert read_config(_write(tmp_path, own=text)).values["x"] == value


@pytest.mark.parametrize(
    "text",
    [
        "import os\nx = os.system('touch ran')",
        "x = __import__('os').system('touch ran')",
        "x = open('ran', 'w')",
        "x = ().__class__.__bases__[0].__subclasses__()",
        "x = '{0.__class__}'.format(1)",
        "x = eval('1')",
        "x = getattr('', 'join')",
        "from os import system\nx = system('touch ran')",
        "x = (lambda: 1)()",
        "x = [0] * 10 ** 9",
        "x = 'a' * 10 ** 9",
        "x = 2 ** 2 ** 30",
        "x = '%9999999d' % 1",
        "x = '{:{}}'.format('a', 10 ** 10)",
        "a = 'a' * 99999\nx = a.join([a] * 99999)",
        "a = 'a' * 99999\nx = a.replace('a', a)",
        "a = 'a' * 99999\nx = ('%s' * 49999) % ((a,) * 49999)",
        "a = 'a' * 99999\nx = ('%(a)s' * 19999) % dict(a=a)",
        "a = 'a' * 99999\nx = ('{0}' * 33333).format(a)",
        "x = [[0] * 90000 for _ in range(90000)]",
        "a = dict(b=1)\n" + "a = dict(b=a, c=a)\n" * 40,
        "x = []\nx.append(x)",
        "x = []\nfor n in range(99999):\n    x.append([0] * 99999)",
        "x = 1\nwhile True:\n    x += 1",
        "class A:\n    pass\nx = A()",
        "x = [y for y in range(10 ** 8)]",
        "with open('ran') as f:\n    x = 1",
        "x = undefined_name",
        "x = (" * 300 + ")" * 300,
    ],
)
def test_read_config_with_more_than_data_names_the_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No code runs, whatever stands there, and reading ends."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        read_config(_write(tmp_path, own=text))

    assert "own.py" in str(caught.value)
    assert caught.value.hint
    assert not (tmp_path / "ran").exists()


def test_read_config_merges_bases_as_mmcv_does(tmp_path: Path) -> None:
    """Dicts merge, `_delete_` replaces, and `_base_` values are there."""
    base = "model = dict(a=dict(x=1, y=2), b=dict(z=3))\nwidth = 7\n"
    own = (
        "_base_ = ['base.py']\n"
        "model = dict(a=dict(y=5), b=dict(_delete_=True, w=_base_.width, v={{_base_.width}}))\n"
        "name = 'w{{_base_.width}}'\n"
    )

    found = read_config(_write(tmp_path, base=base, own=own))

    assert found.values["model"] == {"a": {"x": 1, "y": 5}, "b": {"w": 7, "v": 7}}
    assert found.values["name"] == "w7"
    assert [file.name for file in found.files] == ["own.py", "base.py"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"own": "x = (1,\n"}, "line 1"),
        ({"own": "_base_ = 'gone_for_good.py'"}, "found no base 'gone_for_good.py'"),
        ({"own": "_base_ = ['zoo::unet_small']"}, "its base 'zoo::unet_small' is a config of zoo"),
        ({"own": "_base_ = 'own.py'"}, "names itself in _base_"),
        ({"own": "_base_ = ['a.py', 'b.py']", "a": "x = 1", "b": "x = 2"}, "the key 'x'"),
        ({"own": "_base_ = 'a.py'\nx = dict(b=1)", "a": "x = 1"}, "x is a dict"),
        ({"own": "_base_ = [n for n in 'ab']"}, "_base_ is not a list of texts"),
    ],
)
def test_read_config_that_is_broken_says_how(
    texts: dict[str, str], message: str, tmp_path: Path
) -> None:
    """One message with a place and a hint."""
    with pytest.raises(ConfigError) as caught:
        read_config(_write(tmp_path, **texts))

    assert message in caught.value.message
    assert caught.value.where
    assert caught.value.hint


@pytest.mark.mm
def test_old_base_that_is_not_there_is_found_under_its_new_name(tmp_path: Path) -> None:
    """Bases of mmseg 0.x that a user did not copy: the installed ones, in the old form."""
    own = (
        "_base_ = ['../_base_/models/fcn_unet_s5-d16.py', '../_base_/datasets/drive.py',\n"
        "          '../_base_/default_runtime.py', '../_base_/schedules/schedule_40k.py']\n"
        "data = dict(samples_per_gpu=8)\n"
    )

    found = read_config(_write(tmp_path, own=own))

    assert found.values["runner"] == {"type": "IterBasedRunner", "max_iters": 40000}
    assert found.values["lr_config"] == {
        "policy": "poly",
        "power": 0.9,
        "min_lr": 1e-4,
        "by_epoch": False,
    }
    assert found.values["data"]["samples_per_gpu"] == 8
    assert found.values["data"]["val"]["img_dir"] == "images/validation"
    assert found.taken["../_base_/default_runtime.py"] == "mmseg::_base_/default_runtime.py"


@pytest.mark.mm
def test_old_base_of_a_package_is_found_under_its_new_name(tmp_path: Path) -> None:
    """`mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py` is `mask-rcnn_r50_fpn_1x_coco.py` today."""
    own = "_base_ = 'mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py'\nrunner = dict(max_epochs=24)\n"

    found = read_config(_write(tmp_path, own=own))

    assert found.values["runner"] == {"type": "EpochBasedRunner", "max_epochs": 24}
    assert found.values["lr_config"]["step"] == [8, 11]
    assert found.values["lr_config"]["warmup_iters"] == 500
    assert found.values["data"]["train"]["img_prefix"] == "data/coco/train2017/"
