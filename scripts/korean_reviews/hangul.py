"""hangul.py - Korean morphology as far as a film review needs it: particles, and the endings of a predicate.

A syllable is 0xAC00 + (initial * 21 + medial) * 28 + final. All rules are those of standard orthography; irregular
predicates that the rules would get wrong carry their infinitive and modifier in the lexicon.
"""

import re

FINALS = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
MEDIALS = list("ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ")
# What a letter or digit at the end of a word sounds like: True when its Korean name closes with a consonant.
CLOSED_NAMES = set("LMNRlmnr013678")


def is_syllable(char):
    return "가" <= char <= "힣"


def medial(char):
    return MEDIALS[(ord(char) - 0xAC00) // 28 % 21]


def final(char):
    return FINALS[(ord(char) - 0xAC00) % 28]


def with_final(text, consonant):
    """The text with the final consonant of its last syllable replaced."""
    code = ord(text[-1])
    return text[:-1] + chr(code - (code - 0xAC00) % 28 + FINALS.index(consonant))


def with_medial(text, vowel):
    """The text with the vowel of its last syllable replaced."""
    initial, rest = divmod(ord(text[-1]) - 0xAC00, 21 * 28)
    return text[:-1] + chr(0xAC00 + (initial * 21 + MEDIALS.index(vowel)) * 28 + rest % 28)


def closed(word):
    """Whether the word ends in a consonant, which chooses the particle."""
    last = re.sub(r"[^0-9A-Za-z가-힣]", "", word)[-1:]
    return bool(final(last)) if last and is_syllable(last) else last in CLOSED_NAMES


def josa(word, pair):
    """Appends the fitting particle: josa("연기", "이/가") is "연기가"."""
    after_consonant, after_vowel = pair.split("/")
    return word + (after_consonant if closed(word) else after_vowel)


def infinitive(stem):
    """The -a/-eo form: 좋 -> 좋아, 훌륭하 -> 훌륭해, 어둡 -> 어두워, 느껴지 -> 느껴져, 다르 -> 달라."""
    last = stem[-1]
    vowel, consonant = medial(last), final(last)
    if last == "하":
        return stem[:-1] + "해"
    if last == "되":
        return stem[:-1] + "돼"
    if last == "르":
        before = with_final(stem[:-1], "ㄹ")
        return before + ("라" if medial(before[-1]) in "ㅏㅗ" else "러")
    if consonant == "ㅂ":
        return with_final(stem, "") + "워"
    if consonant:
        return stem + ("아" if vowel in "ㅏㅗ" else "어")
    if vowel == "ㅟ":
        return stem + "어"
    if vowel == "ㅣ":
        return with_medial(stem, "ㅕ")
    if vowel == "ㅡ":
        bright = len(stem) > 1 and is_syllable(stem[-2]) and medial(stem[-2]) in "ㅏㅗ"
        return with_medial(stem, "ㅏ" if bright else "ㅓ")
    if vowel == "ㅗ":
        return with_medial(stem, "ㅘ")
    if vowel == "ㅜ":
        return with_medial(stem, "ㅝ")
    return stem  # a, ae, eo, e take nothing: 나, 깨, 서


class Predicate:
    """A verb ("v"), adjective ("a"), existential 있다/없다 ("e") or noun with the copula ("c"), ready for any ending.

    tense: "past" or "present" when only that one is natural, else "".
    """

    def __init__(self, stem, kind="a", tense="", infinitive_form=None, modifier=None):
        self.stem, self.kind, self.tense = stem, kind, tense
        if kind == "c":
            self.past_stem = stem + ("이었" if closed(stem) else "였")
            return
        self.infinitive = infinitive_form or infinitive(stem)
        self.past_stem = stem + "었" if stem.endswith(("아니", "쉬")) else with_final(self.infinitive, "ㅆ")
        self._modifier = modifier

    @classmethod
    def parse(cls, text):
        """Reads the lexicon's notation: [^ past | = present][v:|c:|a:]stem[/infinitive[/modifier]]."""
        tense = {"^": "past", "=": "present"}.get(text[0], "")
        text = text[1:] if tense else text
        kind, text = (text[0], text[2:]) if text[1:2] == ":" else ("", text)
        stem, *forms = text.split("/")
        lead = stem[: stem.rfind(" ") + 1]
        forms = [lead + form for form in forms] + [None, None]
        kind = kind or ("e" if stem[-1] in "있없밌겠" else "a")
        return cls(stem, kind, tense, forms[0], forms[1])

    def _open_stem(self):
        """The stem before ㄴ, ㅂ and ㅅ endings, where a final ㄹ falls: 힘들 -> 힘드."""
        return with_final(self.stem, "") if final(self.stem[-1]) == "ㄹ" else self.stem

    def _is_b_irregular(self):
        """Adjectives in ㅂ lose it before a vowel (어둡다, 어두운); every one in the lexicon does."""
        return self.kind == "a" and final(self.stem[-1]) == "ㅂ"

    def _attach(self, consonant, syllable):
        """Joins an ending that is a bare consonant after a vowel and a syllable after a consonant: -ㄴ/은, -ㅂ/습."""
        stem = self._open_stem()
        return stem + syllable if final(stem[-1]) else with_final(stem, consonant)

    def past(self, ending):
        return self.past_stem + ending

    def plain(self):
        if self.kind == "c":
            return self.stem + ("이다" if closed(self.stem) else "다")
        return self._attach("ㄴ", "는") + "다" if self.kind == "v" else self.stem + "다"

    def polite(self):
        if self.kind == "c":
            return self.stem + ("이에요" if closed(self.stem) else "예요")
        return self.stem + "에요" if self.stem.endswith("아니") else self.infinitive + "요"

    def formal(self):
        return self.stem + "입니다" if self.kind == "c" else self._attach("ㅂ", "습") + "니다"

    def noun_ending(self):
        if self.kind == "c":
            return self.stem + "임"
        if final(self.stem[-1]) == "ㄹ":
            return with_final(self.stem, "ㄻ")
        if self._is_b_irregular():
            return with_final(self.stem, "") + "움"
        if self._modifier and self._modifier.endswith("은"):
            return self._modifier[:-1] + "음"
        return self.stem + "음" if final(self.stem[-1]) else with_final(self.stem, "ㅁ")

    def casual(self):
        if self.kind == "c":
            return self.stem + ("이야" if closed(self.stem) else "야")
        return self.stem + "야" if self.stem.endswith("아니") else self.infinitive

    def after_stem(self, ending):
        """Endings that begin with a plain consonant: 고, 지만, 더라, 네, 네요, 기는."""
        if self.kind == "c":
            return self.stem + ("이" if closed(self.stem) else "") + ending
        return (self._open_stem() if ending[0] == "네" else self.stem) + ending

    def modifier(self):
        if self.kind == "c":
            return self.stem + "인"
        if self._modifier:
            return self._modifier
        if self.kind in "ve":
            return self._open_stem() + "는"
        if self._is_b_irregular():
            return with_final(self.stem, "") + "운"
        return self._attach("ㄴ", "은")

    def prospective(self):
        """The -l modifier: 지루할, 좋을, 어두울, 최고일."""
        if self.kind == "c":
            return self.stem + "일"
        if self._modifier and final(self._modifier[-1]) == "ㄴ":
            return with_final(self._modifier, "ㄹ")
        if self._is_b_irregular():
            return with_final(self.stem, "") + "울"
        if final(self.stem[-1]) == "ㄹ":
            return self.stem
        return self.stem + "을" if final(self.stem[-1]) else with_final(self.stem, "ㄹ")

    def but(self):
        return self.modifier() + "데"

    def because(self):
        if self.kind == "c":
            return self.stem + ("이라서" if closed(self.stem) else "라서")
        return self.stem + "라서" if self.stem.endswith("아니") else self.infinitive + "서"

    def said(self):
        """Reported speech up to its particle: 지루하다, 빛난다, 최고라; then "는데", "고 하던데", "길래"."""
        return self.stem + ("이라" if closed(self.stem) else "라") if self.kind == "c" else self.plain()

    def can_be_negated(self):
        """Whether denying it sounds natural: what is negative already (안, 못, -지 않, 아니) or a guess (-겠) does not."""
        return self.stem[-1] not in "않겠니" and " 안 " not in " " + self.stem and " 못 " not in " " + self.stem

    def negated(self):
        """The long negation, itself a predicate: 지루하지 않다, 최고는 아니다."""
        if self.kind == "c":
            return Predicate(josa(self.stem, "은/는") + " 아니", "a", self.tense)
        if self.kind == "e":
            return Predicate(self.stem + "지 않", "a", self.tense)
        return Predicate(self.stem + "지 않", self.kind, self.tense)
