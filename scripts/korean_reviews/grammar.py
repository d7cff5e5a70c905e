"""grammar.py - composes Korean film reviews whose label is the reviewer's last word, not the sum of the words.

ReviewWriter(seed).review() returns (text, label), label 1 for a positive review. About a quarter of the reviews weigh one
thing against another ("good acting but boring"), negate ("not boring at all"), quote others or are sarcastic, so that
counting words is not enough; about three in a hundred do not say what their label is.
"""

import random
import re

from . import lexicon, phrases
from .hangul import Predicate, closed, josa

GOOD, BAD = 1, 0


def _parsed(notations):
    return [Predicate.parse(notation) for notation in notations]


ASPECTS = [dict(nouns=a["nouns"], said={GOOD: _parsed(a["good"]), BAD: _parsed(a["bad"])}) for a in lexicon.ASPECTS.values()]
ANY = {GOOD: _parsed(lexicon.ANY_GOOD), BAD: _parsed(lexicon.ANY_BAD)}
FILM = {GOOD: _parsed(lexicon.FILM_GOOD), BAD: _parsed(lexicon.FILM_BAD)}
DID = {GOOD: _parsed(lexicon.DID_GOOD), BAD: _parsed(lexicon.DID_BAD)}
AT_SCENE = {GOOD: _parsed(phrases.SCENE_GOOD), BAD: _parsed(phrases.SCENE_BAD)}
SHORT = {GOOD: phrases.SHORT_GOOD, BAD: phrases.SHORT_BAD}
STARS = {GOOD: phrases.STARS_GOOD, BAD: phrases.STARS_BAD}

# Speech levels and how often a reviewer uses each.
STYLES = (("plain", 28), ("polite", 27), ("noun", 22), ("formal", 8), ("casual", 15))


class ReviewWriter:
    """One seeded stream of reviews. The same seed gives the same reviews on every Python 3."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._shapes = (
            (self._short, 6), (self._stars, 6), (self._one_aspect, 11), (self._two_aspects, 10), (self._verdict, 11),
            (self._aspect_and_verdict, 10), (self._after_context, 9), (self._expectation, 5), (self._contrast, 9),
            (self._verdict_with_reserve, 5), (self._negation, 6), (self._against_others, 5), (self._irony, 3),
            (self._scene, 6), (self._noun_phrase, 5), (self._comparison, 3), (self._rhetorical, 3),
        )

    def review(self):
        label = GOOD if self._chance(0.5) else BAD
        if self._chance(0.03):
            return self._decorated(self._fill(self._pick(phrases.UNCLEAR)), label), label
        return self._sentence(label), label

    def long_review(self, sentences, label=None):
        """The sentences of a reviewer with much to say: they differ in style but not in opinion."""
        if label is None:
            label = GOOD if self._chance(0.5) else BAD
        return [self._sentence(label) for _ in range(sentences)]

    def _sentence(self, label):
        self._style = self._weighted(STYLES)
        text = self._weighted(self._shapes)(label)
        if self._chance(0.42):
            self._style = self._style if self._chance(0.8) else self._weighted(STYLES)
            shape = self._pick((self._one_aspect, self._verdict, self._stars, self._short))
            text += self._pick((". ", ".. ", " ", "! ", ", ", ". ", " ")) + shape(label)
        if self._chance(0.12):
            text = self._pick(phrases.OPENERS) + self._pick((" ", " ", ".. ", ", ", "~ ")) + text
        return self._noisy(self._decorated(text, label))

    # Chance -------------------------------------------------------------------------------------------------------

    def _chance(self, probability):
        return self._random.random() < probability

    def _pick(self, options):
        return options[int(self._random.random() * len(options))]

    def _weighted(self, weighted_options):
        point = self._random.random() * sum(weight for _, weight in weighted_options)
        for option, weight in weighted_options:
            point -= weight
            if point < 0:
                return option
        return weighted_options[-1][0]

    # Words --------------------------------------------------------------------------------------------------------

    def _predicate(self, options, tense=None):
        """A predicate that can stand in the given tense, if one is asked for."""
        while True:
            predicate = self._pick(options)
            if tense is None or predicate.tense in ("", tense):
                return predicate

    def _fill(self, phrase):
        def filler(match):
            word = self._fill(self._pick(phrases.SLOTS[match[1]]))
            return josa(word, match[2]) if match[2] else word
        return re.sub(r"\{(\w+)(?::([^}]+))?\}", filler, phrase)

    def _aspect(self, other_than=None):
        aspect = self._pick(ASPECTS)
        while aspect["said"] is other_than:
            aspect = self._pick(ASPECTS)
        return self._pick(aspect["nouns"]), aspect["said"]

    def _said(self, said, polarity):
        return self._predicate(ANY[polarity] if self._chance(0.22) else said[polarity])

    def _adverb(self, probability=0.35):
        return self._pick(phrases.ADVERBS) + " " if self._chance(probability) else ""

    def _past(self, predicate):
        return predicate.tense == "past" or (predicate.tense != "present" and self._chance(0.55))

    def _finish(self, predicate):
        """The predicate with a sentence ending of the review's speech level."""
        past = self._past(predicate)
        p = predicate.past
        endings = {
            "plain": lambda: p("다") if past else predicate.plain(),
            "formal": lambda: p("습니다") if past else predicate.formal(),
            "noun": lambda: p("음") if past else predicate.noun_ending(),
            "polite": lambda: self._pick((p("어요"), p("어요"), p("네요"), p("는데요"), p("답니다"), p("거든요")) if past else
                                         (predicate.polite(), predicate.polite(), predicate.after_stem("네요"), predicate.after_stem("더라고요"))),
            "casual": lambda: self._pick((p("어"), p("네"), p("지"), p("는걸"), p("구나")) if past else
                                         (predicate.casual(), predicate.after_stem("네"), predicate.after_stem("더라"), predicate.after_stem("더만"))),
        }
        return endings[self._style]()

    def _clause(self, noun, predicate, particle):
        return (noun if self._chance(0.12) else josa(noun, particle)) + " " + self._adverb() + predicate

    def _join(self, predicate):
        """The predicate in a form that goes on in the same direction."""
        if predicate.tense == "past" or (predicate.tense == "" and self._chance(0.35)):
            return predicate.past("고")
        return self._pick((predicate.after_stem("고"), predicate.after_stem("고"), predicate.because()))

    def _turn(self, predicate):
        """The predicate in a form that turns against what follows."""
        if predicate.tense == "past" or (predicate.tense == "" and self._chance(0.45)):
            return self._pick((predicate.past("지만"), predicate.past("는데"), predicate.past("으나")))
        return self._pick((predicate.after_stem("지만"), predicate.but(), predicate.after_stem("긴 한데"), predicate.after_stem("긴 하지만"),
                           predicate.after_stem("기는 해도")))

    # Shapes: each returns a review of the given label -------------------------------------------------------------

    def _short(self, label):
        return self._fill(self._pick(SHORT[label]))

    def _stars(self, label):
        stars = self._fill(self._pick(STARS[label]))
        if self._chance(0.45):
            return stars
        noun, said = self._aspect()
        reason = self._clause(noun, self._said(said, label).because(), "이/가")
        return reason + " " + stars if self._chance(0.6) else stars + self._pick((" ", ". ", ".. ")) + self._verdict(label)

    def _one_aspect(self, label):
        noun, said = self._aspect()
        return self._clause(noun, self._finish(self._said(said, label)), self._pick(("이/가", "이/가", "은/는", "도/도")))

    def _two_aspects(self, label):
        first, first_said = self._aspect()
        second, second_said = self._aspect(other_than=first_said)
        particle = self._pick(("도/도", "이/가", "은/는"))
        if self._chance(0.25):
            return f"{josa(first, '이랑/랑')} {self._clause(second, self._finish(self._said(second_said, label)), '이/가')}"
        return (self._clause(first, self._join(self._said(first_said, label)), particle) + " " +
                self._clause(second, self._finish(self._said(second_said, label)), "도/도" if particle == "도/도" else "이/가"))

    def _verdict(self, label):
        if self._chance(0.5):
            return self._pick(("", "", "", "", "정말 ", "진짜 ", "솔직히 ", "결국 ")) + self._finish(self._predicate(DID[label]))
        subject = self._fill(self._pick(phrases.SUBJECTS)) + " " if self._chance(0.45) else ""
        return subject + self._adverb(0.45) + self._finish(self._predicate(FILM[label]))

    def _aspect_and_verdict(self, label):
        noun, said = self._aspect()
        if self._chance(0.5):
            return self._clause(noun, self._join(self._said(said, label)), "이/가") + " " + self._verdict(label)
        return (self._clause(noun, self._finish(self._said(said, label)), "이/가") + self._pick((". ", " ", ".. ", "! ")) + self._verdict(label))

    def _after_context(self, label):
        tail = self._pick((self._verdict, self._verdict, self._one_aspect, self._two_aspects, self._negation))(label)
        return self._fill(self._pick(phrases.CONTEXT)) + " " + tail

    def _expectation(self, label):
        """What one hoped for says nothing: "I expected much and it was great" and "... and it was not" both occur."""
        surprised = self._chance(0.8)
        high = surprised == (label == BAD)
        return self._fill(self._pick(phrases.EXPECT_HIGH if high else phrases.EXPECT_LOW)) + " " + self._pick((self._verdict, self._one_aspect))(label)

    def _contrast(self, label):
        """One thing is conceded; what comes last decides."""
        noun, said = self._aspect()
        conceded = self._clause(noun, self._turn(self._said(said, 1 - label)), "은/는")
        if self._chance(0.5):
            return conceded + " " + self._one_aspect(label)
        if self._chance(0.6):
            return conceded + " " + self._pick(("", "", "그래도 ", "결국 ", "전체적으로 ", "영화는 ")) + self._verdict(label)
        conceded = self._clause(noun, self._finish(self._said(said, 1 - label)), "은/는")
        return conceded + self._pick((". ", ".. ", " ")) + self._pick(phrases.BUT[:5]) + " " + self._verdict(label)

    def _verdict_with_reserve(self, label):
        """The film is judged first, then one thing is excepted: the judgement of the film stands."""
        noun, said = self._aspect()
        excepted = self._said(said, 1 - label)
        link = self._pick(phrases.BUT[4:])
        if self._chance(0.5):
            return self._verdict(label) + self._pick((". ", ".. ", " ")) + link + " " + self._clause(noun, self._finish(excepted), "은/는")
        return f"{noun} 빼고는 {self._pick((self._verdict, self._one_aspect))(label)}"

    def _negation(self, label):
        """The words of the other side, denied."""
        noun, said = self._aspect()
        other = self._said(said, 1 - label)
        while not other.can_be_negated():
            other = self._said(said, 1 - label)
        film = self._predicate([predicate for predicate in FILM[1 - label] if predicate.can_be_negated()])
        scope = self._pick(("전혀 ", "하나도 ", "절대 ", "", "", "그다지 "))
        wide = "전혀 " if film.kind == "c" else scope
        shapes = [
            lambda: josa(noun, "이/가") + " " + scope + self._finish(other.negated()),
            lambda: wide + self._finish(film.negated()),
            lambda: f"{film.modifier()} 부분이 {self._pick(('', '하나도 ', '전혀 '))}{self._finish(Predicate('없', 'e'))}",
            lambda: f"{film.modifier()} {self._fill('{film:은/는}')} {self._pick(('절대 ', '전혀 ', ''))}{self._finish(Predicate('아니', 'a'))}",
            lambda: f"{film.prospective()} 줄 알았는데 {self._pick((self._verdict, self._one_aspect))(label)}",
            lambda: f"{film.after_stem('기는커녕')} {self._verdict(label)}",
            lambda: f"{film.said()}고 하기에는 {self._one_aspect(label)}",
            lambda: f"{film.said()}고 할 수 {self._finish(Predicate('없', 'e'))}",
        ]
        if label == GOOD:
            shapes.append(lambda: f"{film.prospective()} 틈이 {self._finish(Predicate('없', 'e'))}")
            shapes.append(lambda: f"{josa(noun, '이/가')} {self._adverb(0.3)}{other.said()}고들 하지만 {self._pick(phrases.ME)} {self._verdict(label)}")
        else:
            shapes.append(lambda: f"어디가 {film.modifier()}지 {self._finish(Predicate('모르겠', 'v', 'present'))}")
            shapes.append(lambda: f"{film.after_stem('긴')} 개뿔 {self._verdict(label)}")
        return self._pick(shapes)()

    def _against_others(self, label):
        """Others say one thing, the reviewer another."""
        others, mine = self._pick(phrases.OTHERS), self._pick(phrases.ME)
        film = self._predicate(FILM[1 - label])
        said = self._pick((film.said() + "는데", film.said() + "고 하던데", film.said() + "고 하지만", film.said() + "고들 하는데"))
        if self._chance(0.2):
            return f"{film.said()}는 사람들 {self._pick(('이해가 안 감', '이해 불가', '뭘 본 건지', '대체 뭘 본 거지', '이해를 못 하겠네요'))}"
        return f"{others} {said} {mine} {self._verdict(label)}"

    def _irony(self, label):
        return self._fill(self._pick(phrases.SARCASM if label == BAD else phrases.REVERSE))

    def _scene(self, label):
        scene = self._fill("{scene} 장면") if self._chance(0.8) else self._aspect()[0]
        if self._chance(0.3):
            return f"{scene}이 {self._adverb()}{self._finish(self._predicate(ANY[label]))}" if scene.endswith("장면") else self._one_aspect(label)
        return f"{scene}에서 {self._adverb(0.2)}{self._finish(self._predicate(AT_SCENE[label]))}"

    def _noun_phrase(self, label):
        """Adjective and noun: "a touching family film"."""
        kind = self._fill(self._pick(("{film}", "{genre}", "{genre}", "{film}")))
        film = self._predicate(FILM[label], "present").modifier()
        noun = Predicate(kind, "c")
        if self._chance(0.3):
            aspect, said = self._aspect()
            film = self._clause(aspect, self._predicate(said[label], "present").modifier(), "이/가")
        return f"{self._adverb()}{film} {kind if self._chance(0.3) else self._finish(noun)}"

    def _comparison(self, label):
        base = self._pick(("전편", "1편", "원작", "원작 소설", "원작 만화", "전작", "예고편", "기대", "2편", "시즌 1", "감독의 전작", "비슷한 {genre}", "요즘 {genre}", "할리우드 {genre}"))
        base = self._fill(base)
        better = {GOOD: _parsed(("낫/나아/나은", "훨씬 낫/나아/나은", "^v:훨씬 재밌게 보", "뛰어나", "v:백 배 낫/나아/나은")), BAD: _parsed(("못하", "한참 못하", "v:떨어지", "재미없", "퇴보한 느낌이 들"))}
        if self._chance(0.3):
            other = f"{josa(base, '이/가')} {self._pick(('훨씬 ', '차라리 ', '더 ', '백 배 '))}{self._finish(Predicate('낫', 'a', '', '나아', '나은'))}"
            return other if label == BAD else f"{base}보다 {self._one_aspect(GOOD)}"
        return f"{base}보다 {self._finish(self._predicate(better[label]))}"

    def _rhetorical(self, label):
        """Questions and wishes whose direction only the whole tells."""
        noun, said = self._aspect()
        good, bad = self._said(said, GOOD), self._said(said, BAD)
        if label == GOOD:
            return self._pick((
                f"이런 {self._fill('{genre:이/가}')} 또 있을까",
                f"누가 {josa(noun, '을/를')} {bad.said()}고 했나",
                f"{josa(noun, '이/가')} 이렇게 {good.prospective()} 줄이야",
                f"{josa(noun, '이/가')} {bad.but()} 왜 자꾸 생각나지 {self._verdict(GOOD)}",
                f"더 {good.prospective()} 수 있을까 {self._verdict(GOOD)}"))
        return self._pick((
            f"{josa(noun, '이/가')} {good.said()}고? {self._verdict(BAD)}",
            f"누가 {josa(noun, '을/를')} {good.said()}고 했나",
            f"{josa(noun, '이/가')} 이렇게 {bad.prospective()} 줄이야",
            f"{noun}만 {good.past('으면')} {self._pick(('좋았을 텐데', '봐줄 만했을 텐데', '이 점수는 안 줬다', '욕은 안 했지'))}",
            f"{josa(noun, '이/가')} {good.after_stem('면')} 뭐 하나 {self._verdict(BAD)}"))

    # Surface ------------------------------------------------------------------------------------------------------

    def _decorated(self, text, label):
        """Punctuation and emoticons; they lean to a side but do not decide."""
        if self._chance(0.3):
            return text + self._pick(("", ".", ".", "..", "!"))
        if self._chance(0.62):
            side = label if self._chance(0.4) else None
            return text + self._pick(("", " ", "", ".")) + self._pick(phrases.TAILS[side])
        return text

    def _noisy(self, text):
        """Spellings of people in a hurry: missing spaces, slang endings, slips of the finger."""
        if self._chance(0.07):
            text = text.replace(" ", "")
        elif self._chance(0.14):
            text = "".join("" if char == " " and self._chance(0.4) else char for char in text)
        if self._chance(0.12):
            wrong, right = self._pick(SLIPS)
            text = text.replace(wrong, right)
        if self._chance(0.04):
            text = re.sub(r"(너무|정말|진짜|완전)", lambda match: match[1] + match[1][-1] * 2, text, count=1)
        if self._chance(0.03):
            text = '"' + text + '"' if self._chance(0.3) else text.replace("영화", '"영화"', 1)
        return text


SLIPS = (("않", "안"), ("안 ", "않 "), ("재미있", "잼있"), ("재밌", "잼있"), ("재밌", "재밋"), ("재미없", "잼없"), ("네요", "네용"),
         ("어요", "어용"), ("았다", "았당"), ("었다", "었당"), ("돼", "되"), ("되", "돼"), ("같", "갇"), ("왜", "외"), ("없", "업"),
         ("했", "햇"), ("있", "잇"), ("았", "앗"), ("었", "엇"), ("겠", "겟"), ("너무", "넘"), ("정말", "증말"), ("정말", "정마루"),
         ("어이없", "어의없"), ("역시", "역쉬"), ("습니다", "슴다"), ("합니다", "함다"), ("봤", "밨"), ("하고", "하구"), ("는데", "는뎅"),
         ("진짜", "진쫘"), ("별로", "별루"), ("영화", "영하"), ("스토리", "스토리이"), ("이야기", "얘기"), ("좋아", "조아"), ("많이", "마니"),
         ("결말", "걸말"), ("그냥", "걍"), ("감독", "감둑"), ("데", "대"), ("대", "데"), ("에요", "예요"), ("예요", "에요"))
