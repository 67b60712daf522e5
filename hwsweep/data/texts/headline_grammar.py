"""The grammar of the embedded headlines: the words of four topics, neutral words, and rules that join them.

A phrase reads like a headline; <name> stands for any of the words or phrases under that name. <key person> and <key
thing> are words of the headline's topic, <decoy person> and <decoy thing> are words of another topic. No word belongs
to two topics or occurs in neutral phrases. Key words and decoys stand in the same surroundings: only the words before a
decoy (<unlike>) tell them apart.
"""

from __future__ import annotations

from typing import Final

TOPICS: Final = {
    "World": {
        "person": """ambassador chancellor commander consul delegate dictator diplomat dissident emissary envoy exile
            general governor guerrilla hostage insurgent lawmaker militant minister monarch negotiator
            parliamentarian peacekeeper premier president rebel refugee senator soldier sultan warlord""",
        "thing": """airstrike annexation armistice asylum ballot blockade border ceasefire checkpoint constitution
            convoy coup curfew diplomacy election embassy famine insurgency junta militia occupation parliament
            protest referendum regime revolt sanction siege summit treaty truce uprising""",
    },
    "Sports": {
        "person": """athlete batsman bowler boxer catcher coach cyclist decathlete defender fencer footballer goalkeeper
            golfer gymnast hurdler jockey linebacker marathoner midfielder pitcher quarterback referee rower skater
            skier sprinter striker swimmer umpire winger wrestler""",
        "thing": """backhand championship decathlon dribble freestyle goalpost halftime homer inning knockout league
            marathon medal overtime peloton penalty playoff podium qualifier racket regatta relay rematch scoreboard
            semifinal slalom stadium touchdown tournament triathlon trophy wicket""",
    },
    "Business": {
        "person": """accountant auditor banker bidder broker creditor debtor distributor economist entrepreneur
            executive exporter financier franchisee importer insurer investor landlord lender manufacturer
            retailer shareholder shopkeeper stockbroker supplier trader treasurer trustee tycoon underwriter
            wholesaler""",
        "thing": """audit bankruptcy bond brokerage budget buyout commodity currency deficit discount dividend inflation
            invoice lease listing loan margin merger mortgage payroll pension portfolio profit refinancing revenue
            startup stock subsidy surplus takeover tariff turnover""",
    },
    "Sci/Tech": {
        "person": """astronaut astronomer biologist botanist chemist coder cosmonaut cryptographer developer ecologist
            engineer entomologist geneticist geologist hacker immunologist inventor mathematician microbiologist
            neuroscientist oceanographer palaeontologist physicist programmer roboticist seismologist statistician
            technician virologist webmaster zoologist""",
        "thing": """algorithm antenna antibody asteroid browser comet database encryption enzyme fossil galaxy genome
            keyboard laptop laser microscope molecule neutron pixel processor protein robot rover satellite server
            smartphone software spacecraft telescope transistor vaccine virus""",
    },
}

WORDS: Final = {
    "adjective": """ageing ambitious celebrated controversial curious disputed famous forgotten French friendly German
        hopeful Irish Italian little-known local lonely lucky mysterious new old outspoken popular promising quiet
        retired rival secretive Spanish stubborn struggling surprising trusted unhappy unlikely unusual
        veteran young""",
    "place": """Athens Berlin Bogota Boston Cairo Chicago Copenhagen Dublin Geneva Helsinki Istanbul Jakarta Lagos Lima
        Lisbon London Madrid Manila Melbourne Montreal Nairobi Oslo Paris Prague Rome Seoul Sydney Tokyo Toronto
        Vienna Warsaw Zurich""",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
}

PHRASES: Final = {
    "article": ["one", "the", "the", "this"],
    "watchers": ["critics", "experts", "families", "fans", "half the city", "neighbours", "observers", "readers"],
    "act": [
        "causes a stir", "delights <watchers>", "disappoints <watchers>", "divides <watchers>", "draws criticism",
        "draws praise", "faces a long wait", "faces new doubts", "gets a second chance", "gets little support",
        "impresses <watchers>", "is back in the news", "leaves <watchers> guessing", "makes headlines",
        "proves a success", "raises hopes", "raises questions", "returns at last",
        "steals the show", "surprises <watchers>", "takes centre stage", "wins over <watchers>", "worries <watchers>",
    ],
    "when": [
        "after a long day", "after months of silence", "again", "ahead of the holidays", "before <day>", "on <day>",
        "despite the rain", "for a second year", "for the first time", "last week", "this morning", "this week",
    ],
    "time": ["<day>", "last year", "last week", "a year ago", "this spring", "in <place>"],
    "like": ["alongside", "and also", "as well as", "just like", "like", "together with"],
    "unlike": ["and not", "instead of", "not", "rather than", "unlike", "in place of"],
    "plain": [
        "<subject> <act> in <place> <when>",
        "<subject> <act> <when>, <unlike> <time>",
        "<subject> <act> in <place>, <like> <subject>",
        "<like> <subject>, <subject> <act> in <place>",
        "<subject>, <like> <subject>, <act> <when>",
    ],
    "contrasted": [
        "<subject> <act> in <place>, <unlike> <decoy>",
        "<subject> <act> <when>, <unlike> <decoy>",
        "<unlike> <decoy>, <subject> <act> in <place>",
        "<unlike> <decoy>, <subject> <act> <when>",
        "<subject>, <unlike> <decoy>, <act> in <place>",
        "<subject>, <unlike> <decoy>, <act> <when>",
    ],
    "subject": [
        "<article> <adjective> <key person>",
        "<article> <key person> from <place>",
        "<article> <adjective> <key thing>",
        "<article> <key thing> in <place>",
        "<article> <key person> with the <adjective> <key thing>",
        "<article> <key thing> of the <adjective> <key person>",
    ],
    "decoy": [
        "<article> <adjective> <decoy person>",
        "<article> <decoy person> from <place>",
        "<article> <adjective> <decoy thing>",
        "<article> <decoy thing> in <place>",
        "<article> <decoy person> with the <adjective> <decoy thing>",
        "<article> <decoy thing> of the <adjective> <decoy person>",
    ],
}  # fmt: skip
