package report;

/// How a report looks, on light and dark, on a screen, a phone and paper. The colours of series can be told apart by
/// people who see red and green alike.
final class Stylesheet {
    static final String TEXT = """
            :root {
              --paper: #ffffff; --card: #f6f7f9; --ink: #1b2330; --soft: #566173; --grid: #dde1e8; --edge: #ccd2dc;
              --good: #0f7a4f; --bad: #b3261e; --open: #8a5a00;
              --s0: #0067b1; --s1: #c8560a; --s2: #10805c; --s3: #8b4a9c;
            }
            @media (prefers-color-scheme: dark) {
              :root {
                --paper: #14181f; --card: #1d232d; --ink: #e7ebf2; --soft: #a3aebf; --grid: #313a48; --edge: #3a4455;
                --good: #4cc38a; --bad: #ff8a80; --open: #f0b849;
                --s0: #5eb1f5; --s1: #ff9f56; --s2: #3ecf9d; --s3: #d59be6;
              }
            }
            * { box-sizing: border-box; }
            body {
              margin: 0; background: var(--paper); color: var(--ink);
              font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
            }
            main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 60px; }
            header { margin-bottom: 1.3rem; }
            h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; }
            h2 { font-size: 1.15rem; margin: 2.2rem 0 .7rem; }
            h3 { font-size: .95rem; font-weight: 600; margin: 0; color: var(--soft); }
            .under { color: var(--soft); margin: .3rem 0 0; overflow-wrap: anywhere; }
            .notice { border-left: 4px solid var(--open); background: var(--card); padding: .6rem .9rem; border-radius: 4px; }
            .cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
            .card {
              background: var(--card); border: 1px solid var(--edge); border-top: 4px solid var(--tone);
              border-radius: 8px; padding: 14px 16px;
            }
            .card .do::before { content: "→ "; color: var(--tone); font-weight: 700; }
            .card p { margin: .35rem 0 0; font-size: .93rem; overflow-wrap: anywhere; }
            .card .word { color: var(--tone); font-size: 1.3rem; font-weight: 700; margin: .1rem 0 .2rem; }
            .good { --tone: var(--good); } .bad { --tone: var(--bad); } .open { --tone: var(--open); } .plain { --tone: var(--s0); }
            ul { padding-left: 1.2rem; } li { margin: .3rem 0; }
            .plots { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); }
            figure { margin: 0; background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 12px 14px; }
            figcaption { font-weight: 600; font-size: .95rem; margin-bottom: .3rem; }
            .scroll { overflow-x: auto; }
            .scroll:focus-visible { outline: 2px solid var(--s0); outline-offset: 2px; }
            figure .scroll svg { display: block; width: 100%; min-width: 430px; height: auto; }
            svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
            .grid { stroke: var(--grid); stroke-width: 1; } .axis { stroke: var(--edge); stroke-width: 1.5; }
            .tick { stroke: var(--card); stroke-width: 1.5; }
            .cross { stroke: var(--bad); stroke-width: 2.5; fill: none; stroke-linecap: round; }
            .fill0 { fill: var(--s0); } .fill1 { fill: var(--s1); } .fill2 { fill: var(--s2); } .fill3 { fill: var(--s3); }
            .line0, .line1, .line2, .line3 { fill: none; stroke-width: 2; }
            .dashed { stroke-dasharray: 5 4; }
            .line0 { stroke: var(--s0); } .line1 { stroke: var(--s1); } .line2 { stroke: var(--s2); } .line3 { stroke: var(--s3); }
            .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 16px; padding: 0; margin: 0 0 4px; font-size: .86rem; }
            .legend li { margin: 0; } .legend svg { width: 24px; height: 12px; margin-right: 5px; vertical-align: -1px; }
            table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; min-width: 60%; }
            th, td { text-align: right; padding: 5px 9px; border-bottom: 1px solid var(--grid); white-space: nowrap; }
            th { font-weight: 600; color: var(--soft); } tbody th, thead th:first-child { text-align: left; padding-left: 0; }
            .plain-table td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
            @media print { .card, figure { break-inside: avoid; } }
            """;

    private Stylesheet() {}
}
