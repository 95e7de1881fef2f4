"""The look of the pages: system fonts, calm colours, and a word beside every colour."""

from __future__ import annotations

BASE = """
:root{--ink:#1f2933;--soft:#5b6673;--line:#dde2e8;--page:#f4f6f8;--card:#fff;--link:#1d5a99;
--ok:#2e7d4f;--warn:#9a6200;--fail:#b93224;--unknown:#626b77;--info:#2563a8}
*{box-sizing:border-box}
.mm{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:var(--ink);
max-width:1180px;margin:0 auto;padding:20px 20px 8px}
.mm a{color:var(--link);text-underline-offset:2px}
.mm a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.mm h1{font-size:1.75rem;line-height:1.2;margin:.1em 0 .2em;overflow-wrap:anywhere}
.mm h2{font-size:1.05rem;margin:0 0 .5em}
.mm p{margin:.3em 0}
.soft{color:var(--soft)}.small{font-size:.875rem}
.badge{display:inline-block;min-width:5.2em;padding:.1em .6em;border-radius:4px;color:#fff;text-align:center;
font-size:.75rem;font-weight:700;letter-spacing:.04em;white-space:nowrap}
.badge.ok{background:var(--ok)}.badge.warn{background:var(--warn)}.badge.fail{background:var(--fail)}
.badge.unknown{background:var(--unknown)}.badge.info{background:var(--info)}
.sq{display:flex;align-items:center;justify-content:center;width:18px;height:18px;border-radius:3px;
font:700 11px/1 system-ui,sans-serif;color:#fff!important;text-decoration:none}
.sq.ok{background:#3f9c66}.sq.warn{background:#b7791f}.sq.fail{background:#c0392b}.sq.unknown{background:#7a8491}
.sq.gap{border:1px dashed var(--line)}
a.sq:hover{outline:2px solid var(--ink)}
"""

INDEX = """
body{margin:0;background:var(--page)}
.model{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:18px 20px;margin:18px 0}
.model header{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline}
.model header h2{font-size:1.3rem;margin:0}
.latest{border-left:5px solid var(--unknown);padding:2px 0 2px 12px;margin:12px 0;overflow-wrap:anywhere}
.latest.ok{border-color:var(--ok)}.latest.warn{border-color:var(--warn)}.latest.fail{border-color:var(--fail)}
.strip{display:flex;flex-wrap:wrap;gap:14px 18px;margin:14px 0 6px}
.block>div{display:grid;gap:3px;grid-auto-flow:column}
.block p{font-size:.75rem;color:var(--soft);margin:0 0 3px}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.8rem;color:var(--soft)}
.key span{display:inline-flex;gap:6px;align-items:center}
details{margin-top:10px}summary{cursor:pointer;font-weight:600;padding:4px 0}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.875rem}
th{text-align:left;font-weight:600;color:var(--soft);border-bottom:2px solid var(--line);padding:5px 8px;
white-space:nowrap}
td{border-bottom:1px solid var(--line);padding:6px 8px;vertical-align:top}
td.n{white-space:nowrap;text-align:right;font-variant-numeric:tabular-nums}
td.d{white-space:nowrap;font-variant-numeric:tabular-nums}td.h{min-width:16em;overflow-wrap:anywhere}
.revs{white-space:nowrap}.revs a{margin-right:.5em}
@media(max-width:700px){.mm{padding:12px 10px}.model{padding:14px 12px}
thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
table,tbody,tr,td{display:block}tr{padding:8px 0;border-bottom:1px solid var(--line)}td{border:0;padding:2px 0}
td.n{text-align:left}td.h{min-width:0}td[data-name]::before{content:attr(data-name) ": ";color:var(--soft)}}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#a3adb8;--line:#3a434d;--page:#14181d;--card:#1d232a;
--link:#86b9f0;color-scheme:dark}}
"""

REPORT = """
body{margin:0;background:var(--page)!important}
html.dark{--ink:#e6eaee;--soft:#a3adb8;--line:#3a434d;--page:#14181d;--card:#1d232a;--link:#86b9f0;
--meter:#3a434d;--notice:#3a3320;color-scheme:dark}
.verdict{background:var(--card);border:1px solid var(--line);border-left:8px solid var(--unknown);border-radius:8px;
padding:14px 18px;margin:14px 0;font-size:1.12rem;overflow-wrap:anywhere}
.verdict.ok{border-left-color:var(--ok)}.verdict.warn{border-left-color:var(--warn)}
.verdict.fail{border-left-color:var(--fail)}
.verdict p{margin:.35em 0 0}
.cards{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 18px;overflow-wrap:anywhere}
.card.full{grid-column:1/-1}
.card ul{margin:.3em 0;padding:0;list-style:none}.card li{margin:.45em 0}
.says{display:grid;grid-template-columns:6.2em 1fr;gap:2px 10px;align-items:baseline}
.says>.badge{justify-self:start}.says>div>p:first-child{margin-top:0}.says dl{margin:.2em 0 .5em}
.mm .card details>summary{font-size:.95rem;padding:4px 0}
.todo{border-left:3px solid var(--link);padding-left:10px;margin:.4em 0 .2em!important}
.costs{grid-column:2/-1;margin-top:-6px}
.row{display:flex;flex-wrap:wrap;gap:3px;margin:.4em 0}
.move{display:grid;grid-template-columns:minmax(5em,12em) 1fr minmax(11em,auto);gap:10px;align-items:center}
.meter{position:relative;height:12px;background:var(--meter,#e8ecf0);border-radius:3px}
.meter b{position:absolute;left:0;top:0;bottom:0;background:#2563a8;border-radius:3px}
.meter i{position:absolute;top:-3px;bottom:-3px;width:2px;background:var(--ink)}
.meter.range{margin:.6em 0}
.stage{font-size:1.3em;line-height:1;margin-right:.35em}
.verdict.final{border-left-color:#3b7cc4}.verdict.provisional{border-left-color:#3b7cc4;border-left-style:double}
.verdict.estimated{border-left-color:#3b7cc4;border-left-style:dashed}
.wide{overflow-x:auto}
.mm .wide table{border-collapse:collapse;width:100%;font-size:.875rem;margin:.5em 0}
.mm .wide th{text-align:left;padding:5px 10px 5px 0;font-weight:600;border-bottom:1px solid var(--line)}
.mm .wide thead th{color:var(--soft);border-bottom-width:2px;white-space:nowrap}
.mm .wide td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;
white-space:nowrap;vertical-align:top}
.mm .wide td.h{white-space:normal;min-width:18em;max-width:34em}
.parts{position:relative;height:14px;min-width:180px;background:var(--meter,#e8ecf0);border-radius:3px;overflow:hidden}
.parts b{position:absolute;top:0;bottom:0}.parts i{position:absolute;left:50%;top:0;bottom:0;width:2px;margin-left:-1px;
background:var(--ink)}
b.mix{background:#3b7cc4}b.rate{background:#c96a28}b.new{background:#7a8491}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.8rem;color:var(--soft)}
.key b{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:6px;vertical-align:-1px}
.sum{font-variant-numeric:tabular-nums}
.dashboard{background:var(--card);border:1px solid var(--line);border-radius:8px;min-height:80px;overflow:hidden}
.dashboard .MuiTypography-h5{font-size:1.05rem;font-weight:600}
h2.big{font-size:1.3rem;margin:26px 0 8px}
.mm details>summary{cursor:pointer;font-size:1.15rem;font-weight:600;padding:10px 0}
.notice{background:var(--notice,#fff8e6);border:1px solid #b99f4a;border-radius:8px;padding:10px 16px;margin:8px 0 14px}
.mm dl{display:grid;grid-template-columns:auto 1fr;gap:2px 14px;margin:.4em 0}.mm dd{margin:0}.mm dt{color:var(--soft)}
@media(max-width:800px){.cards{grid-template-columns:minmax(0,1fr)}
.mm{padding:12px 10px}.move{grid-template-columns:1fr}}
"""


def css(page: str) -> str:
    """The style sheet of a page, without idle newlines."""
    return (BASE + page).replace("\n", "")
