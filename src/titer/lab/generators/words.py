"""Word banks shared by the grammars: plain lists, sorted by nothing in particular."""

from __future__ import annotations


def bank(text: str) -> tuple[str, ...]:
    """The words of `text`, which are separated by `|`."""
    return tuple(text.split("|"))


TOPICS = bank(
    "sourdough bread|tax on a side job|back pain|the French Revolution|compound interest|"
    "marathon training|houseplants|photosynthesis|a leaking tap|wedding speeches|jazz harmony|"
    "electric cars|allergy season|learning the violin|black holes|rent increases|puppy training|"
    "the water cycle|chess openings|meal planning|migraine|astrophotography|the stock market|"
    "medieval castles|solar panels|knitting|visa applications|sleep problems|coffee brewing|"
    "the Roman army|vector databases|probability|gardening in clay soil|job interviews|volcanoes|"
    "cheap flights|moving abroad|the immune system|guitar amplifiers|board games|bee keeping|"
    "pension plans|heat pumps|poetry about winter|office politics|screen time of children|"
    "ocean currents|woodworking joints|vegan cooking|the Cold War|home insurance|old photographs|"
    "bird song|running shoes|mould in the bathroom|recommendation letters|basketball tactics|"
    "a broken friendship|fermentation|opera|the periodic table|secondhand bikes|public speaking|"
    "stage fright|freelance contracts|coral reefs|mortgage rates|tomato blight|crosswords|"
    "data structures|postcolonial novels|sunburn|road trips|statistics|a difficult landlord|"
    "camping stoves|modern dance|quantum computers|toddlers and vegetables|street photography|"
    "learning Portuguese|earthquakes|budgeting|ancient Egypt|ergonomic chairs|film scores|"
    "cats that scratch|university essays|the electoral system|antibiotics|swimming technique"
)

PEOPLE = bank(
    "Amara|Bea|Chidi|Dana|Elif|Farid|Greta|Hugo|Ines|Jonas|Kemal|Lena|Mina|Noor|Oskar|Priya|"
    "Quentin|Rosa|Samir|Tove|Uma|Viktor|Wanda|Ximena|Yusuf|Zofia|Aiko|Bram|Celia|Dmitri|Esi|"
    "Fleur|Goran|Hana|Ivo|Jana|Kofi|Lior|Mateo|Nadia|Olu|Pavel|Ruth|Sven|Tariq|Vera|Wen|Yara"
)

PLACES = bank(
    "Lisbon|Osaka|Nairobi|Leeds|Oslo|Quito|Lyon|Perth|Hanoi|Gdansk|Austin|Tunis|Ghent|Recife|"
    "Busan|Turin|Cork|Izmir|Dakar|Pune|Malmo|Bogota|Tartu|Accra|Bristol|Cebu|Graz|Rabat|Sendai|"
    "Utrecht|Winnipeg|Zagreb|Almaty|Boise|Cusco|Durban|Essen|Fukuoka|Gijon|Haifa"
)

THINGS = bank(
    "washing machine|bicycle|laptop|sofa|garden shed|violin|old camera|kitchen table|router|"
    "winter coat|espresso machine|tent|motorbike|piano|freezer|bookshelf|hearing aid|drone|"
    "lawn mower|backpack|watch|printer|boat|wardrobe|mattress|telescope|sewing machine|kayak|"
    "air filter|phone|tablet|oven|fish tank|skateboard|radiator|door lock|headset|projector"
)

FIRMS = bank(
    "Alder Freight|Bluebank|Cormorant Labs|Dunmore Energy|Eastgate Clinic|Fennel Foods|"
    "Granite Mutual|Harrow Textiles|Inlet Shipping|Juniper Retail|Kestrel Air|Larkfield Homes|"
    "Mooring Pay|Northlight Media|Orchard Parts|Pinecrest Hotels|Quayside Legal|Redwick Steel|"
    "Saltmarsh Water|Tern Telecom|Umber Paints|Vale Pharmacy|Westward Rail|Yarrow Seeds"
)

TRADES = bank(
    "nurse|teacher|carpenter|accountant|student|chef|pharmacist|bus driver|designer|farmer|"
    "social worker|electrician|librarian|translator|sales clerk|geologist|lawyer|baker|midwife"
)

CODE_TONGUES = bank("Python|Rust|Go|TypeScript|Java|C++|SQL|bash|Kotlin|Ruby|Swift|R|Elixir")

FEELINGS = bank("worried|curious|annoyed|tired|excited|confused|relieved|nervous|proud|lost")

PLAIN = bank(
    "the report was late and nobody had told the driver|we counted the boxes twice that morning|"
    "a new valve was fitted after the leak|prices rose faster than wages in the second quarter|"
    "the committee met without a quorum|most visitors came by train despite the strike|"
    "the samples were kept at four degrees|the bridge will close for nine weeks|"
    "her first shop sold nothing but maps|rainfall was a third below the long average|"
    "the software update failed on older devices|two suppliers withdrew their offers|"
    "the patient slept well after the change of dose|a fox had taken three hens|"
    "the court asked for the original receipts|volunteers cleared the path before noon|"
    "the orchestra moved to a smaller hall|engine noise rose above the permitted level|"
    "the grant covers travel but not equipment|students asked for longer library hours|"
    "the harvest started early in the southern fields|an audit found four missing invoices|"
    "the ferry turned back because of fog|interest was paid at the end of each month|"
    "the museum returned the mask to its village|sales of bicycles doubled within a year|"
    "the team missed the deadline by a day|customers liked the lid but not the handle|"
    "the well was deepened to thirty metres|no one claimed the reward|the roof let in the rain|"
    "the second trial used a larger group|the bakery changed its flour|the mayor resigned in May"
)
