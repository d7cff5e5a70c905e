"""tricky_texts.py: hand-made texts for the tokenizer goldens. Nothing here is from a data set.

Escapes are used for whatever an editor would hide, join or normalise.
"""

ACUTE, GRAVE, DIAERESIS, DOT_BELOW = "\u0301", "\u0300", "\u0308", "\u0323"

TEXTS = [
    # nothing, and white space of every kind
    "", " ", "\t", "\n", " \t \n ", "a", " a ", "a b", "a  b", "a\tb", "a\nb", "a\rb", "a\r\nb", "a\u000bb", "a\u000cb",
    "a\u0085b", "a\u00a0b", "a\u1680b", "a\u2003b", "a\u2028b", "a\u2029b", "a\u202fb", "a\u205fb", "a\u3000b", "a\u200bb",
    # removed: controls, format characters, private use, replacement, byte order mark
    "a\u0000b", "a\u0001b", "a\u007fb", "a\u009fb", "a\ufffdb", "a\ufeffb", "\ufeffstart", "a\u00adb", "a\u200db", "a\u200eb",
    "a\u2060b", "a\u061cb", "a\ue000b", "a\U000f0000b", "a\U0010fffdb", "a\U000e0041b", "\u0000", "\u200b\u200d",
    # punctuation
    "good.", "...", "!?", "don't", "it's", "(good)", "[good]", "{a}", "a-b", "a_b", "a+b=c", "$5.00", "50%", "x^2", "`a`",
    "a|b~c", "\"quoted\"", "\u201cquoted\u201d", "a\u2014b", "a\u2026", "\u00bfqu\u00e9?", "\u00a1a!", "\u3001\u3002", "\u300ca\u300d",
    "\uff01\uff0e\uff1f", "a\u00b7b", "a\u00a7b", "a\u00abb\u00bb", "@name #tag", "a/b\\c", "http://a.b/c?d=e&f=g", "me@a.b",
    "a\u20acb", "a\u00a3b", "a\u00b0b", "a\u2122b", "a\u00a9b", "a\u2192b", "a\u00d7b", "a\u2010b", "a\u30fbb", "a\uff65b",
    # punctuation that only some Unicode versions know
    "a\u061db", "a\u2e43b", "a\u2e52b", "a\u166db", "a\U000111c9b", "a\U00011660b", "a\U00010eadb", "a\u0c77b", "a\U00011a3fb",
    # marks: several, in two orders, on their own, across words, Mc and Me beside Mn
    "cafe" + ACUTE, "caf\u00e9", "CAF\u00c9", "na\u00efve", "A" + DIAERESIS + "B", "a" + DOT_BELOW + DIAERESIS, "a" + DIAERESIS + DOT_BELOW,
    ACUTE, ACUTE + "a", "a " + ACUTE + " b", "\u1e69", "\u1ec7", "\u01d6", "\u212b", "\u2126", "\u212a", "\u0344",
    "\u0915\u093f", "\u0915\u094d\u0937", "\u0e19\u0e49\u0e33", "\u0633\u064e\u0644\u064e\u0627\u0645", "a\u20ddb", "a\u07fdb", "a\u0483b",
    "\ufb01", "\ufb03x", "\u00bd", "x\u00b2", "\u2167", "\u2177", "\uff21\uff22\uff43", "\u3392",
    # case: full mappings, no final sigma, dotted i, title case, other scripts
    "HELLO", "Hello World", "\u0130stanbul", "I\u0131i\u0130", "\u00df\u1e9e", "\u03a3\u03a3", "\u039f\u0394\u039f\u03a3", "\u01c5", "\u01c4", "\u13a0\uab70",
    "\u041f\u0420\u0418\u0412\u0415\u0422", "\u0401\u0451\u0419\u0439", "\u10d0\u1c90", "\U00010400\U00010428", "\u0386\u03ac\u1fbe", "\u1e2b\u1e2a", "\u00c5\u00c4\u00d6",
    # Hangul: composed, decomposed, old, compatibility jamo, mixed
    "\uc601\ud654 \uc815\ub9d0 \uc88b\uc544\uc694", "\uc7ac\ubbf8\uc788\uc5c8\ub2e4.", "\u1112\u1161\u11ab", "\u110b\u1167\u11bc\u1112\u116a", "\u3147\u314b", "\u314b\u314b\u314b", "\u3160\u3160", "\uc88b\uc544\uc6a9~~!!",
    "\ubcc4\uc810 5\uc810", "\uc644\uc804best", "10\uc810\u314b", "\ud55c\uad6d\uc5b4\u4e2d\u6587", "\ua960\ud7b0", "\uac00\u11a8", "\uac01", "\uac00\ud7a3", "\ud7a4", "\uc601\ud654\u3002",
    # CJK and kana
    "\u4e2d\u6587", "\u6620\u753b\u306f\u6700\u9ad8", "\u30a2\u30cb\u30e1", "\u304c\u304e", "\u304b\u3099", "\u3400\u4dbf", "\U00020000", "\U0002a6dfx", "\U0002b81f", "\U0002b820", "\U0002b91f",
    "\U0002b920", "\U0002ceaf", "\U0002ceb0", "\U0002f800", "\U0002fa1f", "\U0002fa20", "\uf900", "\ufaff", "\u9fff", "\ua000", "\u4dc0", "a\u4e2db", "a\u4e2d\u6587b", "\U00030000",
    # emoji
    "good\U0001f600", "\U0001f600\U0001f600", "\u2764\ufe0f", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1f0\U0001f1f7", "1\ufe0f\u20e3", "\u263a", "\U0001f44d\U0001f3fb",
    # special tokens in the text
    "[CLS]", "[SEP]", "a[SEP]b", "a [SEP] b", "[sep]", "[ SEP ]", "[MASK]ed", "the [MASK] is good", "[UNK]", "[PAD] a", "[CLS][SEP]", "[[SEP]]", "[SEP",
    "SEP]", "good[SEP]", "[SEP]good", "[MASK][MASK]", "##ing", "## ing", "[unused1]", "\u0000[SEP]\u0000", "\u00e9[SEP]\u00e9", "[SE\u0301P]",
    # word pieces
    "goodness", "goods", "boring", "bored", "unbelievable", "xyzzy", "zzzz", "q", "qq", "goodq", "filmfilm", "great-great", "movies123", "123456", "1,000.50",
    "a" * 99, "a" * 100, "a" * 101, "\uac00" * 100, "\uac00" * 101, "\u00e9" * 100, "\u00e9" * 101, ("e" + ACUTE) * 50, ("e" + ACUTE) * 51, ("e" + ACUTE) * 100,
    ("e" + ACUTE) * 101, "\U0001f600" * 100, "\U0001f600" * 101, "a" * 100 + "." + "a" * 101, "\u0130" * 50, "\u0130" * 51, "a" * 50 + "\u200b" + "a" * 50,
    # sentences
    "The movie was not very good, but I love it!", "the a movie film was is not", "so  boring ...  I   hate it", "It's GREAT - really, really GREAT.", "What a film!?!? (10/10)",
    "\uc601\ud654\uac00 very good \ud588\ub2e4... \u314b\u314b", "\u041a\u043d\u0438\u0433\u0430 \u0438 film", "M\u00fcller & S\u00f6hne \u2014 gr\u00f6\u00dfer", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd good", "\u0e14\u0e35\u0e21\u0e32\u0e01",
]

PAIRS = [
    ("", ""), ("a", ""), ("", "b"), ("a", "b"), ("good movie", "bad film"), ("the movie was very good", "bad"),
    ("bad", "the movie was very good"), ("a b c d", "e f g h"), ("a b c d e", "f g h i"), ("a b c d", "e f g h i"),
    ("a b c d e f g h i j k l", "m n"), ("a b", "c d e f g h i j k l m n"), ("a b c d e f g", "h i j k l m n"),
    ("a [SEP] b", "c [CLS] d"), ("goodness goodness", "boring boring boring"), ("\uc601\ud654 \uc815\ub9d0 \uc88b\uc544\uc694", "\uc601\ud654 \uc2eb\ub2e4"), ("zzzz \u4e2d", "caf\u00e9 !"),
]
PAIR_LENGTHS = [0, 3, 4, 5, 6, 7, 8, 11, 64]
CUT_TEXTS = ["", "a", "a b c d e f", "goodness boring", "a [SEP] b [MASK] c", "\uc601\ud654 \uc815\ub9d0 \uc88b\uc544\uc694 ."]
CUT_LENGTHS = [2, 3, 4, 5, 7, 64]
