"""Korean film reviews made by a seeded grammar: hangul.py conjugates, lexicon.py has the words, grammar.py composes."""
