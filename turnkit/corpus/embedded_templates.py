"""Sentences of the embedded corpus.

In a template

- ``/`` marks a point where the speaker could stop or go on: the turn may end there, may
  pause there, or run on;
- ``|`` marks a point where nobody stops but somebody may hesitate;
- ``{slot}`` is filled from a list;
- the last character, ``.`` or ``?``, says what is asked and what is told.
"""

from __future__ import annotations

SLOTS: dict[str, tuple[str, ...]] = {
    "day": (
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
        "Friday morning", "the ninth of May", "Monday evening", "the third of June",
        "Saturday night", "the first of August",
    ),
    "hour": (
        "seven", "eight thirty", "noon", "half past six", "nine in the morning", "ten",
        "quarter to four", "two in the afternoon", "five o'clock", "eleven fifteen",
    ),
    "few": ("two", "three", "four", "five", "six", "seven", "eight", "ten", "twelve"),
    "three": (
        "five five five", "two one zero", "nine oh four", "six one seven", "three eight two",
        "four four one", "seven two nine", "eight zero six",
    ),
    "four": (
        "four two one nine", "eight eight zero three", "one six five two", "nine three seven one",
        "two zero two four", "six five nine eight",
    ),
    "letter": ("B", "D", "F", "G", "K", "M", "P", "R", "T", "V"),
    "price": (
        "twenty dollars", "fifteen dollars", "ninety nine cents", "two hundred dollars",
        "forty euros", "about thirty dollars", "six hundred",
    ),
    "city": (
        "Boston", "Chicago", "Denver", "London", "Paris", "Seattle", "Toronto", "Berlin",
        "Austin", "Portland", "Madrid",
    ),
    "place": (
        "the station", "the airport", "the city museum", "the post office", "the library",
        "the old harbor", "the nearest pharmacy", "the hospital", "the parking garage",
    ),
    "way": ("the bridge", "the second light", "the bank", "the big church", "the corner store"),
    "name": (
        "Anna Keller", "Peter Walsh", "Maria Lopez", "David Chen", "Susan Brown", "Tom Fisher",
        "Laura Stein", "James Porter", "Nora Hill",
    ),
    "person": ("my wife", "my brother", "a friend", "my boss", "my neighbor", "a colleague"),
    "device": (
        "laptop", "phone", "printer", "router", "washing machine", "heating", "camera",
        "coffee maker", "television",
    ),
    "fault": (
        "won't turn on", "keeps making a noise", "stopped working", "is very slow",
        "shows an error", "loses the connection", "gets really hot",
    ),
    "tried": (
        "turning it off and on", "a different cable", "the manual", "calling the store",
        "changing the battery", "a new password",
    ),
    "dish": (
        "the grilled salmon", "a large pizza", "the soup of the day", "two burgers",
        "a chicken sandwich", "the green salad", "some noodles", "the vegetable curry",
    ),
    "side": ("fries", "extra cheese", "rice", "no onions", "a side of beans", "garlic bread"),
    "drink": (
        "a glass of water", "an orange juice", "a black coffee", "an iced tea", "two beers",
        "a lemonade",
    ),
    "item": (
        "a pair of shoes", "a winter jacket", "three books", "a desk lamp", "a blue backpack",
        "a kitchen table", "some headphones",
    ),
    "doctor": ("the dentist", "Doctor Miller", "the eye doctor", "a nurse", "Doctor Grant"),
    "pain": ("my back hurts", "I have a fever", "my knee is swollen", "I can't sleep"),
    "view": (
        "it was better than I expected", "it's a bit too expensive", "the people were friendly",
        "it took much longer than planned", "I would do it again", "it really depends",
    ),
    "hobby": ("hiking", "cooking", "playing the piano", "running", "painting", "gardening"),
    "street": ("Maple Street", "Park Avenue", "River Road", "Hill Street", "Station Road"),
}  # fmt: skip

LONG: tuple[str, ...] = (
    "I'd like to book | a table / for {few} people / on {day} / at {hour}.",
    "I need to change | my reservation / from {day} / to {day} / if that's possible.",
    "We're looking for | a room / for {few} nights / near {place}.",
    "Can I book | a ticket to {city} / for {day} / in the morning?",
    "I want to fly | from {city} | to {city} / on {day} / and come back | on {day}.",
    "I have an appointment | with {doctor} / on {day} / and I can't make it.",
    "I'd like to see | {doctor} / because {pain} / since {day}.",
    "My {device} {fault} / and I already tried | {tried} / but nothing changed.",
    "The {device} | that I bought from you / {fault} / since {day}.",
    "I ordered | {item} / on {day} / and it still hasn't arrived.",
    "I'd like to return | {item} / because it doesn't fit / and I have the receipt.",
    "I'm calling about | my last bill / it says {price} / and that can't be right.",
    "Could you send | somebody over / on {day} / after {hour}?",
    "Could you tell me | how to get to {place} / from {street}?",
    "You go straight | down {street} / until you see | {way} / and then you turn left.",
    "Take the first right / after {way} / and it's | on the left.",
    "How far is it | from {place} | to {street} / on foot?",
    "Where can I find | {place} / around here?",
    "I'll have | {dish} / with {side} / and {drink} / please.",
    "Can I get | {dish} / with {side} / to go?",
    "Do you have | {dish} / without | {side}?",
    "My number is | {three} | {three} | {four}.",
    "It's | {three} / {four}.",
    "The order number is | {letter} {letter} | {three} / {four}.",
    "My name is | {name} / and the address is | {few} | {street}.",
    "It's spelled | {letter} {letter} | {letter} {letter} / like the river.",
    "Let me think | on {day} / I have to work / so | maybe | {day}.",
    "I'm not sure | I think it was | {day} / or maybe {day}.",
    "Well | it depends on | the price / and on {person} / of course.",
    "So | what I wanted to ask / is whether | we could meet | on {day}.",
    "I mean | {view} / but | I'd have to ask | {person}.",
    "Not {day} | no wait | {day} / at {hour}.",
    "I said {few} | sorry | {few} people / at {hour}.",
    "Send it to | {name} / no | to {person} / please.",
    "I went to {city} / with {person} / and {view} / to be honest.",
    "I started {hobby} / last year / because of {person} / and I really like it.",
    "On {day} / I usually go {hobby} / or I meet | {person}.",
    "What I like about | {city} / is | that you can walk everywhere.",
    "If it's cheaper than {price} / I'll take it / otherwise | I'll wait.",
    "I could pay | {price} / now / and the rest | on {day}.",
    "Is there | a later train / on {day} / to {city}?",
    "Did you say | {hour} / or {hour}?",
    "What time does | {place} open / on {day}?",
    "Could I speak to | {name} / about | my {device}?",
    "Would it be possible | to move it to {day} / at {hour}?",
    "I've been waiting | since {hour} / and nobody | has called me back.",
    "Tell {person} / that I'll be late / because of | the traffic.",
    "Remind me | to call {doctor} / on {day} / at {hour}.",
    "Turn on | the lights / in the kitchen / and the {device}.",
    "Play some music / for {hobby} / but not too loud.",
)
"""Turns of some length."""

SHORT: tuple[str, ...] = (
    "Yes / please.", "Yes / that's right.", "No / thank you.", "No / not really.", "Okay / great.",
    "Sure / why not.", "Maybe / on {day}.", "I think so.", "I don't think so.", "I'm not sure.",
    "{day} / at {hour}.", "{day} / is fine.", "At {hour}.", "{few} people.", "{few} / or {few}.",
    "About {price}.", "{price} / maybe.", "Just {dish} / please.", "{drink}.", "With {side}.",
    "{name}.", "To {city}.", "From {city} | to {city}.", "In {city} / I think.", "On {street}.",
    "Near {place}.", "Next to {way}.", "{person} / told me.", "My {device}.", "Since {day}.",
    "It {fault}.", "I tried {tried}.", "That's all / thanks.", "Thank you / goodbye.",
    "Hello / my name is {name}.", "Sorry / could you repeat that?", "What do you mean?",
    "Really?", "Is that all?", "Can you hear me?", "At {hour}?", "On {day}?", "To {city}?",
    "{few} / maybe {few}.", "Mm / yes.", "Right / okay.", "Exactly.", "Not yet.", "Of course.",
    "Let me see.", "Let me think / about it.", "I'd say {few}.", "It's {letter} {three}.",
    "{three}.", "{four}.", "Well / {view}.", "Because {pain}.", "So / {day} then?",
)  # fmt: skip
"""Answers and the like: at most a few words."""
