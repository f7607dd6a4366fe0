"""Which names are secret. How they stand beside their values is in `_pairs` and `_carriers`."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from harness.evidence._later import later

__all__ = ["is_secret_name", "may_have_names", "squeezed", "table"]


def table(text: str) -> frozenset[str]:
    """A table of words, written as a text."""
    return frozenset(text.split())


#: A name is secret when one of these is in it, written in any case, with any separators and marks.
_STEMS = table(
    "password passwd passphrase passcode pwd secret token authoriz authoris cookie credential jwt bearer csrf xsrf"
    " saml passwort kennwort contrasena motdepasse senha wachtwoord haslo parola sifre losenord jelszo пароль 密码 密碼"
    " パスワード 비밀번호"
)

#: Or one of these, whose words may be apart in a text.
_JOINED = table(
    "apikey accesskey privatekey signingkey encryptionkey accountkey masterkey subscriptionkey fastlykey"
    " functionskey appkey applicationkey authkey clientkey serverkey storagekey sharedkey adminkey sshkey deploykey"
    " hmackey webhookkey integrationkey licensekey sesskey sessionkey sessid sessionid cardnum creditcard"
    " connectionstring connstr mfacode otpcode smscode logincode authcode authorizationcode verificationcode"
    " securitycode recoverycode backupcode resetcode codeverifier userpass dbpass rootpass smtppass mailpass ftppass"
    " proxypass ldappass bindpass requirepass masterauth motdepasse socialsecurity storepass keypass dbpw userpw"
    " rootpw adminpw mypw clientassertion devicecode usercode hmacsha"
)

#: Or when it ends with one of these.
_LAST = table("auth pin otp totp cvv cvc cvn pass pw sid xauth sig signature dsn ssn iban")
#: Or when it is just one of these.
_WHOLE = table("auth authentication proxyauthentication xauthentication dpop")
#: `auth` behind one of these is a switch, or tells of a moment.
_ABOUT_AUTH = table(
    "no skip require requires required need needs without last next is has use uses enable enabled disable disabled allow"
    " optional bypass pre post re of after before"
)
#: A name with a stem in it that ends like this says something *about* a secret: token_type, password_policy, cookie_name.
_ABOUT = table(
    "type types expires expiry expiration expire expired in at ttl age lifetime count counts limit limits length len size"
    " min max url uri urls endpoint endpoints policy policies rules format pattern required enabled disabled valid invalid"
    " verified status strength scheme schemes method methods version algorithm alg algo issuer audience scope scopes usage"
    " used remaining changed updated created optional exists present missing supported error errors description"
    " placeholder attempts attempt tries retries failures hint hints santa strategy"
    " manager env file dir path location class kind name names provider host port service samesite domain"
)
#: Tokens a language model or a bucket counts.
_COUNTED = table("max min total num n prompt completion input output cached reasoning remaining used count")
#: Tokens that say where a reader of pages stands, or that a parser met.
_PLACES = table("page continuation continue next prev previous pagination paging cursor sync resume delta unexpected")
#: Short names that are the end of ordinary words as well count only with a word of these before them.
_AMBIGUOUS = {
    "pass": table(
        "user db database root admin smtp mail email ldap proxy bind ftp http my key basic auth login new old"
    ),
    "pin": table("card user sim new old security atm my account"),
    "sid": table("connect session php user auth"),
}
_WORD = later(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
#: Without one of these in it, lower case, a text has no secret name. To search for a few words is far quicker than a pattern.
_HINTS = table(
    "passw passphrase passcode secret token authori cookie credential pwd jwt bearer csrf xsrf saml kennwort contrase senha"
    " wachtwoord parola"
)
_HINTS_BEYOND_ASCII = table("hasło şifre lösenord jelszó пароль 密码 密碼 パスワード 비밀번호")

_PARTS = ("key", "sess", "card", "code", "pass", "auth", "conn", "socialsec", "pw", "hmac", "assertion")
_SHORT = ("auth", "dpop", "pin", "otp", "cv", "pass", "pw", "sid", "sig", "dsn", "ssn", "iban")
_SHORT_HINT = later(r"(?:auth(?:entication)?|dpop|pin|otp|cv[vcn]|pass|pw|sid|sig(?:nature)?|dsn|ssn|iban)(?![a-z])")
_MARKS = later("[\u0300-\u036f]+")
#: Letters that are not one of ASCII with a mark.
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "ı": "i", "ß": "ss", "æ": "ae"})


def squeezed(text: str) -> str:
    """Lower case, without what separates the words of a name."""
    text = text.lower()
    for separator in "-_. ":
        text = text.replace(separator, "")
    return text


def may_have_names(lower: str) -> bool:
    """Whether it is worth to look closer at a text in lower case; quick."""
    if any(map(lower.__contains__, _HINTS)):
        return True
    if not lower.isascii() and any(map(lower.__contains__, _HINTS_BEYOND_ASCII)):
        return True
    if any(map(lower.__contains__, _PARTS)) and any(map(squeezed(lower).__contains__, _JOINED)):
        return True
    return any(map(lower.__contains__, _SHORT)) and _SHORT_HINT.search(lower) is not None


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is secret."""
    words = [w.lower() for w in _WORD.findall(_plain(name))]
    while words and words[-1].isdigit():
        words.pop()
    if not words:
        return False
    joined = "".join(words)
    if joined in _WHOLE or _ends_secret(words):
        return True
    stems = [stem for stem in (*_STEMS, *_JOINED) if stem in joined]
    return bool(stems) and words[-1] not in _ABOUT and not (stems == ["token"] and _is_no_credential(words))


def _ends_secret(words: list[str]) -> bool:
    last = words[-1]
    if last == "auth":
        return len(words) > 1 and words[-2] not in _ABOUT_AUTH
    return last in _LAST and (len(words) == 1 or last not in _AMBIGUOUS or words[-2] in _AMBIGUOUS[last])


def _is_no_credential(words: list[str]) -> bool:
    if words[-1] == "tokens" and not _COUNTED.isdisjoint(words):
        return True
    return len(words) > 1 and words[-1] in {"token", "tokens"} and words[-2] in _PLACES


def _plain(text: str) -> str:
    """Letters without their marks."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFD", text.translate(_LETTERS))
    return unicodedata.normalize("NFC", _MARKS.sub("", apart))
