from __future__ import annotations

import json

import pytest

from ecsmachine.cli.display.go_template import Record, Template
from ecsmachine.errors import UsageError

DATA = {
    "Name": "dev1",
    "Count": 3,
    "Share": 1.5,
    "List": ["a", "b"],
    "Map": {"k": None, "a": [1, None, True]},
    "Empty": [],
    "True": True,
    "Null": None,
    "Driver": {"SSHPort": 22, "Tags": {"env": "prod"}},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain } text }}", "plain } text }}"),
        ("{{.Name}}", "dev1"),
        ("{{ .Driver.Tags.env }}:{{.Driver.SSHPort}}", "prod:22"),
        ("{{$.Name}} {{(index .List 1)}} {{(index .Map `a`) | len}}", "dev1 b 3"),
        # Go's way of showing values
        ("{{.List}} {{.Map}} {{.Empty}}", "[a b] map[a:[1 <nil> true] k:<nil>] []"),
        ("{{.True}} {{.Share}} {{3.0}} {{1e30}}", "true 1.5 3 1e+30"),
        ("{{.Null}} {{.Nope}} {{.Nope.Deeper}}", "<no value> <no value> <no value>"),
        # constants
        (r'{{"a\tb\u00e9\x41\"\101"}}', 'a\tbéA"A'),
        ('{{`raw \\n "x" }}`}}', 'raw \\n "x" }}'),
        ("{{0x10}} {{-3}} {{1_000}} {{1e3}} {{true}} {{nil}}", "16 -3 1000 1000 true <no value>"),
        # trimming and comments
        ("a  {{- .Count -}}  b {{/* no }} */}}c {{- /* no */ -}} d", "a3b cd"),
        ("a\n{{- 1}} {{-1}}", "a1 -1"),
        # pipelines and functions
        ("{{.List | json}}", '["a","b"]'),
        ("{{.Name | upper | printf `%s-%s` `x`}}", "x-DEV1"),
        ("{{json .Driver}}", '{"SSHPort":22,"Tags":{"env":"prod"}}'),
        ("{{prettyjson .Driver.Tags}}", '{\n    "env": "prod"\n}'),
        ("{{upper .Name}} {{lower `AB`}} {{title `ab cD`}}", "DEV1 ab Ab CD"),
        ("{{join .List `,`}} {{split `a,b` `,`}}", "a,b [a b]"),
        ("{{len .List}} {{len .Map}} {{len `é`}}", "2 2 2"),
        ("{{index .Map `a` 0}} {{index .Map `nope`}}", "1 <no value>"),
        ("{{print 1 2 `a` 3}}|{{println `a` 1}}", "1 2a3|a 1\n"),
        ("{{eq .Count 3}} {{eq .Count 1 2 3}} {{ne .Name `x`}}", "true true true"),
        ("{{lt 1 2}} {{le 2 2}} {{gt `b` `a`}} {{ge 1 2}}", "true true true false"),
        ("{{and .True .Name}} {{or .Null `d`}} {{not .Empty}} {{and 0 1}}", "dev1 d true 0"),
        ("{{and .Null (index .List 9)}}", "<no value>"),
        (
            "{{slice .Name 1}} {{slice .Name 1 3}} {{slice .List 1}} {{slice .List}}",
            "ev1 ev [b] [a b]",
        ),
        ("{{html `<a href=\"b\">'&'</a>`}}", "&lt;a href=&#34;b&#34;&gt;&#39;&amp;&#39;&lt;/a&gt;"),
        (r"{{js `<'\"&=`}} {{js `\`}}", r"\u003C\'\\\"\u0026\u003D \\"),
        ("{{urlquery `a b/ü` 1}}", "a+b%2F%C3%BC1"),
        (r"{{'x'}} {{'\n'}} {{'é'}} {{'\''}} {{'\u00e9'}}", "120 10 233 39 233"),
        # loops that end early, and templates within the template
        ("{{range .List}}{{if eq . `b`}}{{break}}{{end}}{{.}}{{else}}none{{end}}", "a"),
        ("{{range .List}}{{if eq . `a`}}{{continue}}{{end}}{{.}}{{end}}", "b"),
        ("{{range .List}}{{range $.List}}{{break}}{{end}}{{.}}{{end}}", "ab"),
        (
            '{{define "T"}}<{{.}}{{$}}>{{end}}{{template "T" .Name}}{{template `T`}}',
            "<dev1dev1><<no value><no value>>",
        ),
        ('{{range .List}}{{block "b" .}}[{{.}}]{{end}}{{end}}{{template "b" 7}}', "[a][b][7]"),
        ('{{template "later" .}}{{define "later"}}{{.Name}}{{end}}', "dev1"),
        ("{{html .Null}} {{js .Nope}}", "&lt;no value&gt; \\u003Cno value\\u003E"),
        ("{{if eq .Name.String `dev1`}}{{.Name.String | upper}}{{end}}", "DEV1"),
        # printf
        (
            "{{printf `%s %q %d %q` .List .List .List 65}}",
            '[a b] ["a" "b"] [%!d(string=a) %!d(string=b)] \'A\'',
        ),
        (
            "{{printf `%[2]s %[1]s %*d|%.*f` `a` `b`}}",
            "b a %!(BADWIDTH)%!d(MISSING)|%!(BADPREC)%!f(MISSING)",
        ),
        ("{{printf `%*d|%-*s|%.*f` 5 3 4 `a` 1 2.55}}", "    3|a   |2.5"),
        (
            "{{printf `%x %X %c %U %#v %[9]d` `hi` `hi` 65 65 `a`}}",
            '6869 6869 A U+0041 "a" %!d(BADINDEX)',
        ),
        ("{{printf `%-6s|%6s|%05d|%x` .Name .Name .Count 255}}", "dev1  |  dev1|00003|ff"),
        (
            "{{printf `%v %q %T %t %.2f %d%%` .List .Name .Name .True .Share 5}}",
            '[a b] "dev1" string true 1.50 5%',
        ),
        (
            "{{printf `%d` `x`}}{{printf `%s`}}{{printf `a` 1}}",
            "%!d(string=x)%!s(MISSING)a%!(EXTRA int=1)",
        ),
        ("{{printf `%.0f %d %g` .Driver.SSHPort .Driver.SSHPort .Driver.SSHPort}}", "22 22 22"),
        # if, with, range, variables
        ("{{if .Empty}}A{{else if eq .Count 3}}B{{else}}C{{end}}", "B"),
        ("{{if .Null}}A{{end}}{{if .Name}}B{{end}}", "B"),
        ("{{with .Driver}}{{.SSHPort}}{{$.Name}}{{else}}none{{end}}", "22dev1"),
        ("{{with .Null}}x{{else}}{{.Name}}{{end}}", "dev1"),
        ("{{with $x := .Count}}{{$x}}{{end}}", "3"),
        ("{{range .List}}<{{.}}>{{end}}", "<a><b>"),
        ("{{range $x := .List}}{{$x}}{{end}}", "ab"),
        ("{{range $i, $x := .List}}{{if $i}}, {{end}}{{$i}}={{$x}}{{end}}", "0=a, 1=b"),
        ("{{range $k, $v := .Driver}}{{$k}} {{end}}", "SSHPort Tags "),
        ("{{range .Empty}}x{{else}}none{{end}}{{range .Null}}x{{end}}", "none"),
        ("{{$x := 1}}{{if true}}{{$x = 5}}{{end}}{{$x}}", "5"),
        ("{{$x := 1}}{{if true}}{{$x := 5}}{{$x}}{{end}}{{$x}}", "51"),
    ],
)
def test_what_a_template_gives(template: str, text: str) -> None:
    assert Template(template).render(DATA) == text


@pytest.mark.parametrize(
    ("template", "place", "what"),
    [
        ("{{.Name", "line 1, column 1", "unclosed action"),
        ("{{}}", "line 1, column 1", "missing value"),
        ("ab\n {{.A ! }}", "line 2, column 7", 'unexpected "!"'),
        ("{{foo}}", "column 3", 'function "foo" not defined'),
        ("{{__import__ `os`}}", "column 3", "not defined"),
        ("{{if .X}}", "column 3", "{{if}} has no {{end}}"),
        ("{{range .X}}{{else}}", "column 3", "{{range}} has no {{end}}"),
        ("{{end}}", "column 3", "unexpected {{end}}"),
        ("{{else}}", "column 3", "unexpected {{else}}"),
        ("{{if 1}}{{else}}{{else}}{{end}}", "column 19", "expected end"),
        ("{{if 1}}{{else with 1}}{{end}}", "column 16", 'unexpected "with" in else'),
        ("{{if}}{{end}}", "column 3", "missing value for if"),
        ("{{$y}}", "column 3", 'undefined variable "$y"'),
        ("{{if $x := 1}}{{end}}{{$x}}", "column 24", 'undefined variable "$x"'),
        ("{{$x = 1}}", "column 3", 'undefined variable "$x"'),
        ("{{$i, $j := .List}}", "column 7", "too many declarations"),
        ('{{"abc}}', "column 3", "unterminated quoted string"),
        (r'{{"\q"}}', "column 3", "unknown escape"),
        (r'{{"\ud800"}}', "column 3", "no such character"),
        ("{{3k}}", "column 3", "bad number syntax"),
        ("{{/* x", "column 3", "unclosed comment"),
        ("{{1 | 2}}", "column 7", "non executable command"),
        ("{{(1}}", "column 3", "unclosed left paren"),
        ("{{1)}}", "column 4", 'unexpected ")"'),
        ("{{" + "(" * 500 + "1" + ")" * 500 + "}}", "column 103", "nested too deeply"),
        ("{{if 1}}" * 500 + "{{end}}" * 500, "column", "nested too deeply"),
        ('{{template "x"}}', "column 3", 'template "x" not defined'),
        ("{{template .Name}}", "column 12", "missing name for template"),
        ('{{define "a"}}', "column 3", "has no {{end}}"),
        ('{{if 1}}{{define "a"}}{{end}}{{end}}', "column 11", "unexpected {{define}}"),
        ('{{define "a"}}{{$x}}{{end}}', "column 17", "undefined variable"),
        ('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}', "column 17", "template depth"),
        (
            '{{define "a"}}'
            + "{{if 1}}" * 40
            + '{{template "a"}}'
            + "{{end}}" * 41
            + "{{template `a`}}",
            "column 337",
            "template depth",
        ),
        ("{{break}}", "column 3", "{{break}} outside {{range}}"),
        ("{{range .List}}{{end}}{{continue}}", "column 25", "outside {{range}}"),
        ("{{range .List}}{{break 1}}{{end}}", "column 24", 'unexpected "1"'),
        ("{{'ab'}}", "column 3", "malformed character constant"),
        ("{{'a}}", "column 3", "unterminated quoted string"),
        ("{{slice .Name 5}}", "at <slice .Name 5>", "index out of range: 5"),
        ("{{slice .Name 2 1}}", "at", "invalid slice index: 2 > 1"),
        ("{{slice 3}}", "at <slice 3>", "can't slice item of type int"),
        ("{{slice .Name `1`}}", "at", "cannot index slice/array with type string"),
        # well-formed, but not for this data
        ("{{.Name.X}}", "at <.Name.X>", "can't evaluate field X in type string"),
        ("{{.Name.__class__}}", "at <.Name.__class__>", "can't evaluate field"),
        ("{{index .List 9}}", "at <index .List 9>", "index out of range: 9"),
        ("{{index .List -1}}", "at <index .List -1>", "index out of range: -1"),
        ("{{len 3}}", "at <len 3>", "len of type int"),
        ("{{eq 1 `a`}}", "at", "incompatible types"),
        ("{{lt .List .List}}", "at", "invalid type"),
        ("{{upper}}", "at <upper>", "wrong number of args for upper"),
        ("{{upper 3}}", "at <upper 3>", "expected string; got int"),
        ("{{.Name 3}}", "at", "can't give argument to non-function"),
        ("{{range .Name}}{{end}}", "at <.Name>", "can't iterate over string"),
    ],
)
def test_mistakes_are_named_with_their_place(template: str, place: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        Template(template).render(DATA)
    message = caught.value.message
    assert message.startswith("template parsing error: line ")
    assert place in message
    assert what in message


def test_a_record_has_its_fields_and_no_others() -> None:
    options = Record(Labels=["a=b"], Dns=None, LogLevel="", TlsVerify=True)
    assert Template("{{.}} {{.TLSVerify}}").render(options) == "{[a=b] []  true} true"
    record = Record(Zebra=1, Apple=[Record(b=1, a=2)])
    assert Template("{{json .}}").render(record) == '{"Zebra":1,"Apple":[{"b":1,"a":2}]}'
    assert json.loads(Template("{{prettyjson .}}").render(record)) == record
    with pytest.raises(UsageError, match=r"can't evaluate field Nope.*it has Zebra, Apple"):
        Template("{{.Nope}}").render(record)
