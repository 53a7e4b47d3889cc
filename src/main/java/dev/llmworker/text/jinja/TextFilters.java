package dev.llmworker.text.jinja;

/// Filters that make a text.
final class TextFilters {
    private TextFilters() {}

    static void addTo(Filters.Table table) {
        table.add("string", "", (r, value, _) -> value instanceof Markup ? value : r.str(value));
        table.add("safe", "", (r, value, _) -> value instanceof Markup ? value : new Markup(r.str(value)));
        table.add("escape", "", (r, value, _) -> Markup.escaped(r.budget(), value));
        table.add("e", "", (r, value, _) -> Markup.escaped(r.budget(), value));
        table.add("forceescape", "", (r, value, _) -> Markup.escaped(r.budget(), r.str(value)));
        table.add("upper", "", (r, value, _) -> like(value, Casing.upper(read(r, value))));
        table.add("lower", "", (r, value, _) -> like(value, Casing.lower(read(r, value))));
        table.add("capitalize", "", (r, value, _) -> like(value, Casing.capitalize(read(r, value))));
        table.add("title", "", (r, value, _) -> Casing.titleFilter(read(r, value)));
        table.add(
                "trim",
                "chars?",
                (r, value, a) -> like(value, PythonText.strip(read(r, value), a.optionalText(0, "trim"), true, true)));
        table.add(
                "replace",
                "old new count?",
                (r, value, a) -> PythonText.replace(
                        r.budget(),
                        read(r, value),
                        r.str(a.at(0)),
                        r.str(a.at(1)),
                        a.at(2) == None.NONE ? -1 : a.integer(2, -1)));
        table.add("indent", "width? first? blank?", TextFilters::indent);
        table.add("join", "d? attribute?", TextFilters::join);
        table.add(
                "center",
                "width?",
                (r, value, a) -> like(value, Padding.pad(r.budget(), read(r, value), a.integer(0, 80), " ", 'c')));
        table.add("wordcount", "", (r, value, _) -> words(read(r, value)));
        table.add(
                "tojson",
                "ensure_ascii? indent? separators? sort_keys?",
                (r, value, a) -> Json.dumps(r.budget(), value, a));
        table.addOpen("format", TextFilters::format);
    }

    private static String read(Rendering rendering, Object value) {
        var text = rendering.str(value);
        rendering.budget().characters(text.length());
        return text;
    }

    /// What is made of markup is markup.
    private static Object like(Object value, String text) {
        return value instanceof Markup ? new Markup(text) : text;
    }

    private static Object indent(Rendering rendering, Object value, Bound arguments) {
        var text = Values.text(value);
        if (text == null) {
            if (value instanceof Undefined undefined) {
                throw undefined.exception();
            }
            throw new JinjaException("indent wants a str, not " + Values.typeName(value));
        }
        var budget = rendering.budget();
        var width = arguments.at(0, 4L);
        var indention = Values.text(width) instanceof String given
                ? given
                : budget.text().repeat(" ", Values.index(width, "widths")).toString();
        boolean blank = arguments.isTrue(2);
        var out = budget.text().append(arguments.isTrue(1) ? indention : "");
        var separator = "";
        // The line end is added so that a text that ends with one keeps an empty last line.
        for (var line : Splitting.lines(budget, text + "\n", false)) {
            boolean indented = !separator.isEmpty() && (blank || !"".equals(line));
            out.append(separator).append(indented ? indention : "").append((String) line);
            separator = "\n";
        }
        return like(value, out.toString());
    }

    private static Object join(Rendering rendering, Object value, Bound arguments) {
        var lookup = Lookup.of(arguments.at(1), None.NONE);
        var separator = rendering.str(arguments.at(0, ""));
        var joined = rendering.budget().text();
        var before = "";
        for (var item : Values.items(rendering.budget(), value)) {
            joined.append(before).append(rendering.str(lookup.in(rendering, item)));
            before = separator;
        }
        return joined.toString();
    }

    /// Counts runs of letters, digits and underscores, as the regular expression `\w+` finds them.
    private static Object words(String text) {
        long words = 0;
        boolean within = false;
        for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
            int character = text.codePointAt(at);
            boolean word = character == '_' || Character.isLetter(character) || Casing.isNumeric(character);
            words += word && !within ? 1 : 0;
            within = word;
        }
        return words;
    }

    private static Object format(Rendering rendering, Object value, Arguments arguments) {
        if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
            throw new JinjaException("can't handle positional and keyword arguments at the same time");
        }
        Object values = arguments.named().isEmpty() ? new Tuple(arguments.positional()) : arguments.named();
        return Percent.format(rendering, value instanceof Markup ? value : rendering.str(value), values);
    }
}
