# SPDX-License-Identifier: Apache-2.0
"""Cards in Markdown: whatever they hold, the page can do nothing but show it, and soon."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest
from zoo_gallery.architectures import architectures_of
from zoo_gallery.links import web_link
from zoo_gallery.markdown_cards import card_html
from zoo_gallery.plain_text import line
from zoo_gallery.site_names import page_names

PIECES = (
    *(
        "[",
        "](",
        ")",
        "![",
        "<",
        ">",
        "`",
        "```",
        "*",
        "_",
        "|",
        "|-|-|",
        "|:-|-:|",
        "#",
        "\n",
        "\n\n",
        "> ",
    ),
    *("- ", "1. ", "javascript:", "JAVASCRIPT&colon;", "data:text/html,", "file:///x", "//x.org"),
    *("https://example.org/", "<script>", "</a>", "onerror=", '"', "'", "\\", "&#x6a;", "alert(1)"),
    *("\x00", "\u202e", "\ud800", "<!--", "<a href=x>", "[a]: javascript:x\n", "a", "src=", " "),
)
TAGS = re.compile(r"<(/?)([a-z0-9]+)((?: [a-z-]+=\"[^\"<>]*\")*)(?: /)?>")


def test_card_of_any_pieces_has_only_harmless_tags() -> None:
    """What is left when the tags that a card may have are taken away has no markup at all."""
    draw = random.Random(0)
    for _ in range(400):
        text = "".join(draw.choice(PIECES) for _ in range(draw.randrange(60)))
        made = str(card_html(text, lambda _: None))

        for _, tag, attributes in TAGS.findall(made):
            assert tag not in ("script", "style", "img", "iframe", "svg", "form", "input"), text
            for key, value in re.findall(r' ([a-z-]+)="([^"]*)"', attributes):
                assert not key.startswith("on"), text
                assert key not in ("src", "style"), text
                assert key != "href" or re.match("https?://[a-z0-9]", value), text
        assert "<" not in TAGS.sub("", made), text
        assert not re.search("[\x00-\x08\u202a-\u202e\ud800-\udfff]", made), text


@pytest.mark.parametrize(
    ("rule", "shown"), [(":-", ""), (":-:", ' class="center"'), ("-:", ' class="right"'), ("-", "")]
)
def test_card_of_an_aligned_table_has_a_class_and_no_style(rule: str, shown: str) -> None:
    """The policy of the pages refuses styles in elements."""
    made = str(card_html(f"| a |\n|{rule}|\n| b |\n", lambda _: None))

    assert f"<th{shown}>a</th>" in made
    assert f"<td{shown}>b</td>" in made


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["![", "*a **b ", "> ", "`a", "[a][b", "* a\n", "[a]: <"])
def test_card_of_a_repeated_piece_takes_no_long_time(piece: str) -> None:
    """Parsers of Markdown are known for inputs that take the square of their length."""
    began_s = time.process_time()

    card_html(piece * (200_000 // len(piece)), lambda _: None)

    assert time.process_time() - began_s < 5


@pytest.mark.slow
def test_card_of_a_table_of_empty_columns_makes_no_page_of_megabytes() -> None:
    """A row of a table is filled up to its head."""
    text = "|a" * 1000 + "|\n" + "|-" * 1000 + "|\n" + "|a|\n" * 14_000

    assert len(card_html(text, lambda _: None)) < 500_000


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://example.org/a?b=c&d#e", "https://example.org/a?b=c&d#e"),
        ("HTTP://EXAMPLE.org:80/x", "http://example.org:80/x"),
        ("https://u:p@example.org/", "https://example.org/"),
        ('https://example.org/"><script>', "https://example.org/%22%3E%3Cscript%3E"),
        (f"hf://o/r@{'a' * 40}/x/y.pth", f"https://huggingface.co/o/r/blob/{'a' * 40}/x/y.pth"),
        ("hf://o/r@main/x.pth", None),
        ("javascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        (" javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("//example.org/x", None),
        ("https://", None),
        ("https://[::1", None),
        ("https://exa mple.org/", None),
        ("https://example.org:port/", None),
        ("ftp://example.org/x", None),
        ("x" * 5_000, None),
        ("", None),
        (None, None),
    ],
)
def test_address_is_linked_only_if_it_is_of_the_web(address: str | None, link: str | None) -> None:
    """Passwords are left out, and what could end an attribute is encoded."""
    assert web_link(address) == link


def test_line_of_any_text_is_printable_and_bounded() -> None:
    """Also of text that is one huge word, or of characters that nobody sees."""
    draw = random.Random(1)
    for _ in range(300):
        text = "".join(chr(draw.randrange(0x3000)) for _ in range(draw.randrange(2_000)))
        assert line(text).isprintable()
        assert len(line(text, 50)) <= 50 * 10


@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_page_names_are_distinct_whatever_names_are_made_for_others(
    spell: Callable[[str], str],
) -> None:
    """Also of names that are, in any case, the page name of another."""
    names = {"con", "index", "a" * 180, "x y", "trailing.", "-", "\xfc", "\ud800"}
    for _ in range(3):
        made = page_names(sorted(names))
        assert len({each.lower() for each in made.values()}) == len(names)
        names |= set(map(spell, made.values()))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("unet_lung_montgomery", "unet_small_lung-512"), {"U-Net"}),
        (("d2_mask_rcnn_r50_fpn_3x_coco", ""), {"Mask R-CNN", "ResNet"}),
        (("mask-rcnn_x101-32x4d_fpn_1x_coco",), {"Mask R-CNN", "ResNeXt"}),
        (("segformer_mit-b0_ade20k-512x512",), {"SegFormer"}),
        (("cascade-mask-rcnn_r50",), {"Cascade R-CNN", "ResNet", "Mask R-CNN"}),
        (("fcn_hr48_4xb2-40k_cityscapes",), {"FCN", "HRNet"}),
        (("deeplabv3plus_r101",), {"DeepLab", "ResNet"}),
        (("my_network", "configuration"), set()),
        (("vitality_swing_dinner",), set()),
    ],
)
def test_architectures_are_those_of_whole_words(names: tuple[str, ...], found: set[str]) -> None:
    """A part of a word is no architecture."""
    assert set(architectures_of(*names)) == found
