"""A round trip with the client that openapi-python-client generates: create, get, change, and the errors."""

import os
from pathlib import Path
from uuid import uuid4

from user_service import AuthenticatedClient
from user_service.api.avatars import get_avatar, upload_avatar
from user_service.api.users import create_user, get_user, update_user
from user_service.models import (
    Avatar,
    CreateUserBody,
    CreateUserBodyProfile,
    Error,
    GetAvatarSize,
    UpdateUserBody,
    UpdateUserBodyProfile,
    UploadAvatarBody,
    User,
)
from user_service.types import File, Unset

client = AuthenticatedClient(os.environ["URL"], os.environ["TOKEN"])
name = f"python-{uuid4()}"
body = CreateUserBody(name, f"{name}@example.com", CreateUserBodyProfile("Ada Lovelace", company_name="X"))

user = create_user.sync(client=client, body=body, idempotency_key=name)
assert isinstance(user, User), user
assert create_user.sync(client=client, body=body, idempotency_key=name) == user
assert get_user.sync(user.id, client=client) == user

change = UpdateUserBody(UpdateUserBodyProfile(company_name=None))
changed = update_user.sync(user.id, client=client, body=change)
assert isinstance(changed, User), changed
assert (changed.profile.full_name, changed.profile.company_name) == ("Ada Lovelace", None)

with Path(os.environ["IMAGE"]).open("rb") as image:
    avatar = upload_avatar.sync(user.id, client=client, body=UploadAvatarBody(File(image, "ada.png")))
assert isinstance(avatar, Avatar), avatar
shown = get_avatar.sync(user.id, client=client, size=GetAvatarSize.VALUE_128)
assert isinstance(shown, File), shown
assert shown.payload.read(3) == b"\xff\xd8\xff"

missing = get_user.sync_detailed(uuid4(), client=client)
assert isinstance(missing.parsed, Error), missing
assert (missing.status_code, missing.headers["x-error-code"]) == (404, "USER_NOT_FOUND")

refused = create_user.sync(client=client, body=CreateUserBody(name, "no e-mail", body.profile))
assert isinstance(refused, Error) and not isinstance(refused.details, Unset), refused
assert [detail.field for detail in refused.details] == ["email"]
