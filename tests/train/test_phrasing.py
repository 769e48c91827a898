"""One wording of every question is for tests; its words are not."""

import re

import pytest

from vtc_cli.train.world.phrasing import PHRASINGS, PLURALS, article
from vtc_cli.train.world.questions import MAKERS


def words(phrase):
    return set(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", " ", phrase).casefold()))


def test_every_skill_has_words_of_its_own_or_borrows_them():
    assert set(MAKERS) - set(PHRASINGS) == {"absent", "recall"}


@pytest.mark.parametrize("skill", PHRASINGS)
def test_phrasings_differ_and_name_the_same(skill):
    phrases = PHRASINGS[skill]
    assert len(phrases) >= 4
    assert len(set(phrases)) == len(phrases)
    assert len({frozenset(re.findall(r"\{(\w+)\}", phrase)) for phrase in phrases}) == 1


@pytest.mark.parametrize("skill", PHRASINGS)
def test_the_unseen_phrasing_has_no_unseen_word(skill):
    taught = set().union(*(words(phrase) for phrases in PHRASINGS.values() for phrase in phrases[:-1]))
    assert words(PHRASINGS[skill][-1]) - taught == set()


def test_articles_and_plurals():
    assert (article("orange"), article("red")) == ("an", "a")
    assert PLURALS["cross"] == "crosses"
    assert PLURALS["star"] == "stars"
