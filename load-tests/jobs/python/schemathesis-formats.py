"""Texts of the formats that the OpenAPI document notes with `forebay-`: what requests are made of."""

import schemathesis
from hypothesis import strategies as st

name = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
provider = st.sampled_from(["ais", "aws", "s3", "gcp", "gs", "azure", "az"])
key = st.from_regex(r"[A-Za-z0-9 _=%+-][A-Za-z0-9 _/=%+-]{0,40}[a-z]", fullmatch=True)
# Names that are never resolved: only what is reached at once is looked at when an order is given.
url = st.builds("{}://{}.example/{}".format, st.sampled_from(["http", "HTTPS"]), name, name)
number = st.integers(0, 9_999)
span = st.tuples(number, number).map(lambda both: "{{{:04d}..{:04d}}}".format(*sorted(both)))
template = st.one_of(
    st.builds("{}{}.tar".format, name, span),
    st.builds("{}{}-{}".format, name, span, name),
    st.builds("{}-@{}".format, name, number),
    st.builds("{}-%0{}d".format, name, st.integers(1, 6)),
    name,
    st.sampled_from(["", "*"]),
)
FORMATS = {
    "forebay-bucket": st.one_of(name, st.builds("{}://{}".format, provider, name)),
    "forebay-bucket-name": name,
    "forebay-provider": provider,
    "forebay-cron": st.one_of(
        st.builds("{} {} * * *".format, st.integers(0, 59), st.integers(0, 23)),
        st.builds("*/{} * * * * *".format, st.integers(1, 59)),
        st.just("0 0 1 JAN MON-FRI"),
    ),
    "forebay-time-zone": st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    "forebay-template": template,
    "forebay-url": url,
    # Of two that differ the last names do.
    "forebay-listed-url": name.map("http://{0}.example/{0}".format),
    "forebay-url-template": st.builds("{}-{}.tar".format, url, span),
    "forebay-url-directory": url.map("{}/".format),
    "forebay-revision": name,
    "forebay-key": key,
    "forebay-file-key": key,
    "forebay-header-name": name.map("X-{}".format),
    "forebay-duration": st.builds(
        "{}{}".format, st.integers(1, 500), st.sampled_from(["ms", "s", "m", "h", "d"])
    ),
    "forebay-archive-name": st.builds(
        "{}{}".format, name, st.sampled_from([".tar", "-%06d.tar"])
    ),
    "forebay-archive-key": name.map("{}.tar".format),
    "forebay-path": name.map("/{}".format),
    "forebay-cursor": st.just("0.0.0"),
}
for format_name, strategy in FORMATS.items():
    schemathesis.openapi.format(format_name, strategy)
