"""Where honest accounts live, since when, and who belongs together."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

from titer.lab.arrivals import DAY
from titer.lab.bodies import CHAT
from titer.lab.world import nets, people
from titer.lab.world.nets import Network
from titer.lab.world.people import BURSTY, IN_HOUSE_FROM, MIX, STEADY, Account, Place

#: Shares of honest accounts: a promotion's wave, a campus, a VPN, created inside the log.
WAVE, CAMPUS, VPN, NEW = 0.08, 0.04, 0.03, 0.12


def date(at: int) -> str:
    """The day of a time in microseconds."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d")


def dress(
    account: Account, *, org: str = "", tier: str = "standard", grants: tuple[str, ...] = ()
) -> None:
    """Write the account's fixed members once."""
    parts = [f'"principal":"{account.name}"']
    if org:
        parts.append(f'"org":"{org}"')
    parts.append(f'"tier":"{tier}","created":"{date(account.created)}"')
    if grants:
        parts.append(f'"grants":["{grants[0]}"]')
    account.head = ",".join(parts)


def homes(rng: random.Random, place: Place, account: Account, kind: str) -> None:
    """One to three addresses on networks of `kind` (people also travel)."""
    first = place.networks.some(rng, kind)
    if kind == "home":
        crowd = place.people
        places = [nets.place_of_person(rng, first, crowd=crowd)]
        if rng.random() < 0.5:
            mobile = place.networks.some(rng, "mobile")
            places.append(nets.place_of_person(rng, mobile, crowd=crowd))
        more = range(rng.choice((0, 0, 1, 2)))
        places += [nets.place_of_person(rng, first, crowd=crowd) for _ in more]
    else:
        places = [nets.place(rng, first)]
        if rng.random() < 0.3:
            places.append(nets.place(rng, first))
    account.places = tuple([places[0]] * 2 + places)


def age(rng: random.Random, place: Place, account: Account) -> None:
    """When it was created: mostly long ago, some in a steady stream up to the end."""
    begin = place.start - int(place.history * DAY)
    if rng.random() < NEW * min(1.0, (place.days + place.history) / 30):
        account.created = begin + int(rng.random() * (place.end - begin))
        account.since = account.created
    else:
        account.created = begin - int((rng.expovariate(1 / 250) + 0.5) * DAY)
    if rng.random() < 0.05:
        account.until = account.since = max(account.since, begin)
        account.until += int((0.2 + rng.random()) * (place.end - begin))


_NETWORK_OF = {"chat": "home", "coder": "home", "class": "campus", "team": "office"}


def lone(rng: random.Random, place: Place, role: str) -> Account:
    """One honest account that belongs to nobody."""
    account = people.fresh(rng, place, role)
    age(rng, place, account)
    draw = rng.random()
    programs = rng.choices(("hosting", "office", "home"), weights=(50, 20, 30))[0]
    kind = _NETWORK_OF.get(role, programs)
    tier = rng.choices(("free", "standard", "enterprise"), weights=(4, 5, 1))[0]
    if draw < CAMPUS and role in ("chat", "coder"):
        network = place.campus[int(rng.random() * len(place.campus))]
        account.places = tuple(
            nets.place(rng, network, part=network.first + n, host=rng.randint(1, 3))
            for n in (0, 1)
        )
    elif draw < CAMPUS + VPN and role in ("chat", "coder", "app"):
        network = place.networks.some(rng, "vpn")
        account.places = tuple(
            nets.place(rng, network, part=network.first + n, host=rng.randint(1, 9))
            for n in range(min(3, network.blocks))
        )
    else:
        homes(rng, place, account, kind)
    subscribe(rng, account, tier)
    return account


def subscribe(rng: random.Random, account: Account, tier: str) -> None:
    """A tariff, a card where the tariff takes one, and perhaps a declared organisation."""
    account.pay = nets.card(rng) if tier != "free" or rng.random() < 0.2 else ""
    org = f"org-{rng.getrandbits(40):010x}" if rng.random() < 0.45 or tier == "enterprise" else ""
    dress(account, org=org, tier=tier)


def wave(rng: random.Random, place: Place, accounts: list[Account]) -> None:
    """A promotion: some of the people who chat all signed up in one week."""
    begin = place.start + int(rng.uniform(-4.0, max(-3.0, place.days * 0.4)) * DAY)
    for account in accounts:
        account.created = begin + int(min(7.0, rng.expovariate(0.4)) * DAY)
        account.since = account.created
        account.until = 1 << 62
        account.pay = ""
        dress(account, tier="free")


def _network(rng: random.Random, place: Place) -> tuple[Network, int]:
    network = place.networks.some(rng, "office")
    return network, nets.block(rng, network)


def team(rng: random.Random, place: Place, size: int, *, declared: bool) -> list[Account]:
    """Colleagues who share templates, an office, often a card and an onboarding day."""
    tag = f"team-{rng.getrandbits(40):010x}"
    source, (network, part) = place.source, _network(rng, place)
    begin = place.start - int(place.history * DAY)
    versions: people.Jobs = [(source.template(rng), -1e9) for _ in range(rng.randint(2, 10))]
    for _ in range(rng.choice((0, 1, 1, 2, 4))):  # a new version of a template, inside the log
        versions.append((source.template(rng), rng.uniform(-place.history, place.days)))
    share, public = 0.2 + 0.7 * rng.random(), rng.random() * 0.5
    one_card, one_client = nets.card(rng), rng.random() < 0.5
    client = place.clients.some(rng, messages=False)
    new = rng.random() < 0.3
    first = begin + int(rng.random() * (place.end - begin) * 0.7) if new else 0
    office, shares_card = 0.5 + 0.5 * rng.random(), rng.random() < 0.6
    agreed = rng.random() < 0.5
    members = []
    for _ in range(size):
        account = people.fresh(rng, place, "team")
        account.team = tag
        age(rng, place, account)
        if new:
            account.created = first + int(rng.expovariate(1.0) * (0.5 if agreed else 4.0) * DAY)
            account.since, account.until = account.created, 1 << 62
        account.rate = people.volume(rng, 5.0)
        account.chatty = 1.0 - share
        account.jobs = ((1.0 - public * 0.3, versions), (1.0, account.jobs[0][1]))
        account.shape = STEADY if rng.random() < 0.15 else account.shape
        if one_client:
            account.client, account.endpoint = client, CHAT
        homes(rng, place, account, "home")
        if rng.random() < office:
            desk = nets.place(rng, network, part=part, host=rng.randint(1, 40))
            account.places = (desk, desk, desk, *account.places[-1:])
        account.pay = one_card if shares_card else nets.card(rng)
        own = f"org-{rng.getrandbits(40):010x}" if rng.random() < 0.3 else ""
        dress(account, org=tag.replace("team", "org") if declared else own)
        members.append(account)
    return members


def school(rng: random.Random, place: Place, size: int) -> list[Account]:
    """A class: one assignment, one campus network, accounts made in the first lesson."""
    tag = f"class-{rng.getrandbits(40):010x}"
    talk = people.pupils(rng, place)
    network = place.networks.some(rng, "campus")
    begin = place.start - int(place.history * DAY)
    lesson = begin + int(rng.random() * 0.8 * (place.end - begin))
    members = []
    for _ in range(size):
        account = people.fresh(rng, place, "class")
        account.team, account.talk, account.chatty = tag, talk, 0.95
        account.created = lesson - int(rng.choice((0.02, 0.1, 1.0, 30.0)) * rng.random() * DAY)
        account.since = max(account.created, lesson)
        account.until = lesson + int(rng.uniform(5, 21) * DAY)
        account.rate = people.volume(rng, 1.5, cap=30.0)
        lab = nets.place(rng, network, part=network.first, host=rng.randint(1, 3))
        homes(rng, place, account, "home")
        account.places = (lab, *account.places[-2:])
        account.pay = ""
        dress(account, tier="free")
        members.append(account)
    return members


def in_house(rng: random.Random, place: Place) -> list[Account]:
    """One organisation that distils for itself, and holds a grant for it."""
    tag = f"team-{rng.getrandbits(40):010x}"
    own: people.Jobs = [
        (template, -1e9)
        for template in place.source.harvest(rng, families=("instruct", "reason"), size=12)
    ]
    network, part = _network(rng, place)
    members = []
    for _ in range(rng.randint(5, 20)):
        account = people.fresh(rng, place, "app")
        account.team, account.role = tag, "in-house"
        account.created = place.start - int(rng.uniform(40, 400) * DAY)
        account.jobs, account.chatty = ((1.0, own),), 0.05
        account.rate, account.shape = people.volume(rng, 60.0), rng.choice((STEADY, BURSTY))
        account.places = (nets.place(rng, network, part=part),)
        account.pay = nets.card(rng)
        dress(account, org=tag.replace("team", "org"), tier="enterprise", grants=("distillation",))
        members.append(account)
    return members


def population(rng: random.Random, place: Place, count: int) -> list[Account]:
    """`count` honest accounts, the whale not among them."""
    accounts: list[Account] = []
    quota = {role: max(1, count * share // 1000) for role, share in MIX.items()}
    left = quota.pop("team")
    while left >= 5:
        top = 150 if rng.random() < 0.06 else 50
        size = min(left, int(math.exp(rng.uniform(math.log(5), math.log(top)))))
        accounts += team(rng, place, size, declared=rng.random() < 0.65)
        left -= size
    left = quota.pop("class")
    while left >= 12:
        size = min(left, rng.randint(12, 120))
        accounts += school(rng, place, size)
        left -= size
    if count >= IN_HOUSE_FROM:
        accounts += in_house(rng, place)
    for role, number in quota.items():
        accounts += [lone(rng, place, role) for _ in range(number)]
    chatting = [lone(rng, place, "chat") for _ in range(max(0, count - len(accounts)))]
    wave(rng, place, rng.sample(chatting, min(len(chatting), int(count * WAVE))))
    accounts = (accounts + chatting)[:count]
    rng.shuffle(accounts)
    return accounts
