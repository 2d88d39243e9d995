"""Who can let an app in: people, their businesses, and the ad accounts of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meta_pipeline.simulator.world import World

USER_ID, USER_NAME = "9000000001", "Simulated User"
_FIRST_BUSINESS, _FIRST_PERSON = 990_150_700_000_001, 9_000_001_001


@dataclass(frozen=True)
class Business:
    """A business portfolio; `owned` and `clients` are ad accounts ("act_<n>")."""

    id: str
    name: str
    owned: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()

    @property
    def accounts(self) -> frozenset[str]:
        return self.owned | self.clients


@dataclass(frozen=True)
class Person:
    """Somebody who logs in; `businesses` None is every business and account of the world.

    `accounts` are those that the person holds without a business.
    """

    id: str
    name: str
    businesses: frozenset[str] | None = None
    accounts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DialogChoice:
    """What a person picks in the dialog; None is all that is offered."""

    person: str = USER_ID
    scopes: frozenset[str] | None = None
    businesses: frozenset[str] | None = None
    accounts: frozenset[str] | None = None


@dataclass(frozen=True)
class Reach:
    """What a grant lets see, as it is at this moment; None is everything."""

    businesses: frozenset[str] | None
    accounts: frozenset[str] | None


class Directory:
    """Businesses and people of one world. The owner of an account is what the account says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names: dict[str, str] = {}
        self._clients: dict[str, frozenset[str]] = {}
        self._people = {USER_ID: Person(USER_ID, USER_NAME)}
        self._known: tuple[tuple[int, int], Mapping[str, Business]] = ((-1, -1), {})
        self.version = 0

    # -- setting up -----------------------------------------------------------------------------

    def add_business(
        self,
        name: str,
        *,
        id: str | None = None,  # noqa: A002 - Meta's word
        owned: Iterable[str] = (),
        clients: Iterable[str] = (),
    ) -> Business:
        """A further business, or accounts added to one: `owned` ones say so from now on.

        Tokens granted before do not see what is added later (FACTS section 9).
        """
        business_id = id or str(_FIRST_BUSINESS + len(self._names))
        owned, clients = frozenset(owned), frozenset(clients)
        for account_id in owned | clients:
            self._world.spec(account_id)
        self.version += 1
        self._names[business_id] = name
        self._clients[business_id] = self._clients.get(business_id, frozenset()) | clients
        for account_id in sorted(owned):
            owner = {"id": business_id, "name": name}
            self._world.patch(account_id, business=owner, owner=business_id)
        return self.businesses()[business_id]

    def add_person(
        self,
        name: str,
        *,
        id: str | None = None,  # noqa: A002 - Meta's word
        businesses: Iterable[str] | None = (),
        accounts: Iterable[str] = (),
    ) -> Person:
        """Somebody else who can log in, with a part in these businesses."""
        person = Person(
            id or str(_FIRST_PERSON + len(self._people)),
            name,
            None if businesses is None else frozenset(businesses),
            frozenset(accounts),
        )
        for account_id in person.accounts:
            self._world.spec(account_id)
        self._check(person.businesses or (), self.businesses(), "business")
        self._people[person.id] = person
        return person

    # -- looking up -----------------------------------------------------------------------------

    def businesses(self) -> Mapping[str, Business]:
        """Every business by its id: the owners of accounts, and those added here."""
        version = (self._world.version, self.version)
        if self._known[0] != version:
            names, owned = dict(self._names), dict[str, set[str]]()
            # Accounts are dear to make: once for each version of the world.
            for account in self._world.accounts():
                owner = account.values.get("business")
                if isinstance(owner, Mapping) and owner.get("id"):
                    names.setdefault(str(owner["id"]), str(owner.get("name", "")))
                    owned.setdefault(str(owner["id"]), set()).add(account.id)
            known = {
                one: Business(
                    one, name, frozenset(owned.get(one, ())), self._clients.get(one, frozenset())
                )
                for one, name in names.items()
            }
            self._known = (version, known)
        return self._known[1]

    def people(self) -> Mapping[str, Person]:
        return self._people

    def businesses_of(self, person: Person) -> list[Business]:
        known = self.businesses()
        ids = known if person.businesses is None else person.businesses
        return [known[one] for one in sorted(ids) if one in known]

    def accounts_of(self, businesses: Iterable[str]) -> frozenset[str]:
        """The accounts that these businesses own or work for."""
        known = self.businesses()
        self._check(businesses, known, "business")
        return frozenset().union(*(known[one].accounts for one in businesses))

    def reach(self, choice: DialogChoice) -> Reach:
        """What the choice lets an app see; KeyError for a person or business there is not.

        ValueError for what is not the person's to give.
        """
        self._check([choice.person], self._people, "person")
        person = self._people[choice.person]
        if person.businesses is None and choice.businesses is None and choice.accounts is None:
            return Reach(None, None)
        theirs = frozenset(one.id for one in self.businesses_of(person))
        chosen = theirs if choice.businesses is None else choice.businesses
        if not chosen <= theirs:
            raise ValueError(f"{person.name} has no part in {', '.join(sorted(chosen - theirs))}")
        accounts = self.accounts_of(chosen)
        if choice.businesses is None:
            accounts |= person.accounts
        if choice.accounts is None:
            return Reach(chosen, accounts)
        if not choice.accounts <= accounts:
            missing = ", ".join(sorted(choice.accounts - accounts))
            raise ValueError(f"{person.name} cannot give {missing}: not in what was chosen")
        return Reach(chosen, choice.accounts)

    @staticmethod
    def _check(ids: Iterable[str], known: Iterable[str], what: str) -> None:
        for one in ids:
            if one not in known:
                raise KeyError(f"no {what} {one} here; see sim.directory")
