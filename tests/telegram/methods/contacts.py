"""Contacts, and finding people by name or number."""

from typing import Any

from telethon.tl import types

from tests.telegram.accounts import Account
from tests.telegram.methods.registry import Call, method
from tests.telegram.refusals import Refusal
from tests.telegram.views import Cast, updates_for


@method("contacts.addContact", for_bots=False)
def add_contact(call: Call) -> Any:
    """Make a known user a contact."""
    account = call.peers.user(call.query.id)
    if not call.query.first_name:
        raise Refusal("CONTACT_NAME_EMPTY")
    if account is call.viewer:
        raise Refusal("CONTACT_ID_INVALID")
    _remember(call.viewer, account)
    return updates_for([], Cast(call.viewer).add(account), at=call.world.now())


@method("contacts.importContacts", for_bots=False)
def import_contacts(call: Call) -> Any:
    """Make those whose phone numbers are registered contacts; the others are left out of the answer."""
    found = [(contact, call.world.account_by_phone(contact.phone)) for contact in call.query.contacts]
    imported = []
    cast = Cast(call.viewer)
    for contact, account in found:
        if account is not None:
            _remember(call.viewer, account)
            imported.append(types.ImportedContact(account.id, contact.client_id))
            cast.add(account)
    return types.contacts.ImportedContacts(imported, [], [], cast.users)


@method("contacts.getContacts", for_bots=False)
def get_contacts(call: Call) -> Any:
    """The account's contacts."""
    contacts = call.viewer.contacts
    entries = [types.Contact(account.id, call.viewer in account.contacts) for account in contacts]
    return types.contacts.Contacts(entries, len(entries), Cast(call.viewer).add(*contacts).users)


@method("contacts.deleteContacts", for_bots=False)
def delete_contacts(call: Call) -> Any:
    """Make contacts mere users again."""
    accounts = [call.peers.user(user) for user in call.query.id]
    call.viewer.contacts = [account for account in call.viewer.contacts if account not in accounts]
    return updates_for([], Cast(call.viewer).add(*accounts), at=call.world.now())


@method("contacts.block", for_bots=False)
def block(call: Call) -> Any:
    """Refuse a user's messages."""
    account = call.peers.user(call.query.id)
    if account not in call.viewer.blocked:
        call.viewer.blocked.append(account)
    return True


@method("contacts.unblock", for_bots=False)
def unblock(call: Call) -> Any:
    """Take a user's messages again."""
    account = call.peers.user(call.query.id)
    if account in call.viewer.blocked:
        call.viewer.blocked.remove(account)
    return True


@method("contacts.resolveUsername")
def resolve_username(call: Call) -> Any:
    """Who or what has a username."""
    found = call.world.find(call.query.username)
    if found is None:
        raise Refusal("USERNAME_NOT_OCCUPIED")
    cast = Cast(call.viewer).add(found)
    return types.contacts.ResolvedPeer(found.tl_peer, cast.chats, cast.users)


@method("contacts.resolvePhone", for_bots=False)
def resolve_phone(call: Call) -> Any:
    """Who has a phone number."""
    found = call.world.account_by_phone(call.query.phone)
    if found is None:
        raise Refusal("PHONE_NOT_OCCUPIED", 400)
    return types.contacts.ResolvedPeer(found.tl_peer, [], Cast(call.viewer).add(found).users)


def _remember(viewer: Account, account: Account) -> None:
    if account not in viewer.contacts:
        viewer.contacts.append(account)
