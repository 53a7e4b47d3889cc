package dev.llmworker.soak;

import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Structured output: formats that some clients ask for, and those by which others try to stop the worker.
final class Formats {
    private static final Set<Integer> WRONG = Set.of(400);
    /// A format that the worker has, one that is too much for it, or no room for it.
    private static final Set<Integer> ANY = Set.of(200, 400, 503);
    private static final int MANY = 20_000;
    private static final int MORE_THAN_ARE_KEPT = 300;
    private static final long HUGE = Integer.MAX_VALUE;

    /// What an honest client asks for, and how its answer must look.
    ///
    /// @param fields of the request
    record Wanted(String fields, String regex) {
        /// The answer may have been cut by its length.
        boolean allows(String text) {
            var matcher = Pattern.compile(regex).matcher(text);
            return matcher.matches() || matcher.hitEnd();
        }
    }

    static final List<Wanted> WANTED = List.of(
            new Wanted(",\"structured_outputs\":{\"choice\":[\"salt\",\"iron\",\"water\"]}", "salt|iron|water"),
            new Wanted(",\"structured_outputs\":{\"regex\":\"[a-f]{3}-[0-9]{2}\"}", "[a-f]{3}-[0-9]{2}"),
            new Wanted(
                    schema("{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"},\"n\":{\"type\":"
                            + "\"integer\",\"minimum\":0,\"maximum\":9}},\"required\":[\"ok\",\"n\"],"
                            + "\"additionalProperties\":false}"),
                    "\\{\\s*\"ok\"\\s*:\\s*(true|false)\\s*,\\s*\"n\"\\s*:\\s*[0-9]\\s*\\}"));

    /// A format is compiled before the prompt is read, and each has something random in it, so that none is known.
    static final List<Attack> ATTACKS = List.of(
            format("a deep schema", ANY, random -> text(nested("{\\\"items\\\":", random.nextInt(200), "}"))),
            format("a schema without bottom", WRONG, _ -> text(nested("{\\\"items\\\":", MANY, "}"))),
            format("a wide schema", ANY, random -> schema(properties(10 + random.nextInt(MANY)))),
            format("all that a wide schema requires", ANY, random -> schema(required(10 + random.nextInt(2_000)))),
            format("branches of branches", ANY, random -> schema(branches(random, "anyOf", 4 + random.nextInt(20)))),
            format("all of all", ANY, random -> schema(branches(random, "allOf", 4 + random.nextInt(40)))),
            format("products of branches", ANY, random -> schema(products(2 + random.nextInt(20)))),
            format("a schema that is itself", WRONG, _ -> schema("{\"$ref\":\"#\"}")),
            format("a list of itself", ANY, random -> schema("{\"items\":{\"$ref\":\"#\"}," + any(random) + "}")),
            format("references in a row", ANY, random -> schema(references(1 + random.nextInt(5_000)))),
            format("many values", ANY, random -> schema("{\"enum\":[" + texts(random, MANY) + "]}")),
            format("many choices", ANY, random -> outputs("choice", "[" + texts(random, 900) + "]")),
            format("too many choices", WRONG, random -> outputs("choice", "[" + texts(random, MANY) + "]")),
            format("a huge list", ANY, random -> schema(bounded("array", "Items", random))),
            format("a huge text", ANY, random -> schema(bounded("string", "Length", random))),
            format("a huge object", ANY, random -> schema(bounded("object", "Properties", random))),
            format(
                    "tiny multiples",
                    ANY,
                    random -> schema("{\"type\":\"number\",\"multipleOf\":1e-" + (1 + random.nextInt(99)) + "}")),
            format(
                    "a huge range",
                    ANY,
                    random -> schema("{\"type\":\"integer\",\"minimum\":-" + digits(random) + ",\"maximum\":"
                            + digits(random) + "}")),
            format("patterns of names", ANY, random -> schema(patterns(random))),
            regex("a pattern of repetitions", random -> "((a{" + (1 + random.nextInt(99)) + "}){99}){99}"),
            regex("a pattern that doubles", random -> "(a|b)*a(a|b){" + (1 + random.nextInt(40)) + "}"),
            regex("a pattern of stars", random -> "((((a*)*)*)*)*b{" + (1 + random.nextInt(99)) + "}"),
            regex("a deep pattern", _ -> "(".repeat(5_000) + "a" + ")".repeat(5_000)),
            regex("a pattern of all letters", random -> "[^a]{" + (1 + random.nextInt(2_000)) + "}"),
            regex("a long pattern", random -> "a?".repeat(1 + random.nextInt(9_000))),
            format("free JSON", ANY, _ -> ",\"response_format\":{\"type\":\"json_object\"}"));

    private Formats() {}

    /// Asks for so many small formats that the worker forgets those before. What it keeps is a cache, and no leak.
    static void forget(int port, Findings findings) throws Exception {
        for (var i = 0; i < MORE_THAN_ARE_KEPT; i++) {
            var format = outputs("choice", "[\"" + i + "\"]");
            try (var wire = new Wire(port)) {
                var status = wire.send(Wire.post("/generate", Prompts.generate("x", 1, format)))
                        .answer()
                        .status();
                findings.status(status, "a small format");
                if (status != 200) {
                    findings.violation("a small format was answered by " + status);
                }
            }
        }
    }

    private static Attack format(String name, Set<Integer> allowed, Function<Random, String> fields) {
        return new Attack(
                name,
                random -> Wire.post(
                        "/v1/chat/completions", Prompts.chat("x", 1 + random.nextInt(100), fields.apply(random))),
                allowed);
    }

    private static Attack regex(String name, Function<Random, String> pattern) {
        return format(name, ANY, random -> outputs("regex", '"' + pattern.apply(random) + '"'));
    }

    private static String outputs(String kind, String value) {
        return ",\"structured_outputs\":{\"" + kind + "\":" + value + "}";
    }

    private static String schema(String schema) {
        return ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":" + schema
                + "}}";
    }

    /// A schema as a text, which may nest deeper than the request.
    private static String text(String schema) {
        return ",\"guided_json\":\"" + schema + '"';
    }

    private static String nested(String open, int depth, String close) {
        return open.repeat(depth) + "true" + close.repeat(depth);
    }

    /// A keyword with no effect that makes the schema another one.
    private static String any(Random random) {
        return "\"description\":\"" + random.nextInt() + '"';
    }

    private static String joined(int count, Function<Integer, String> each) {
        return IntStream.range(0, count).mapToObj(each::apply).collect(Collectors.joining(","));
    }

    private static String properties(int count) {
        return "{\"type\":\"object\",\"properties\":{" + joined(count, i -> "\"p" + i + "\":{\"type\":\"string\"}")
                + "}}";
    }

    private static String required(int count) {
        return "{\"type\":\"object\",\"properties\":{" + joined(count, i -> "\"p" + i + "\":{}") + "},\"required\":["
                + joined(count, i -> "\"p" + i + '"') + "],\"additionalProperties\":false}";
    }

    /// Each definition has the next one twice.
    private static String branches(Random random, String keyword, int depth) {
        return "{" + any(random) + ",\"$ref\":\"#/$defs/d0\",\"$defs\":{"
                + joined(
                        depth,
                        i -> "\"d" + i + "\":{\"" + keyword + "\":[{\"$ref\":\"#/$defs/d" + (i + 1)
                                + "\"},{\"$ref\":\"#/$defs/d" + (i + 1) + "\"}]}")
                + ",\"d" + depth + "\":{\"type\":\"string\",\"maxLength\":" + depth + "}}}";
    }

    private static String products(int count) {
        return "{\"allOf\":["
                + joined(
                        count,
                        i -> "{\"anyOf\":["
                                + joined(
                                        4,
                                        j -> "{\"type\":\"string\",\"minLength\":" + i + ",\"maxLength\":"
                                                + (i + j + 50) + "}")
                                + "]}")
                + "]}";
    }

    private static String references(int count) {
        return "{\"$ref\":\"#/$defs/d0\",\"$defs\":{"
                + joined(count, i -> "\"d" + i + "\":{\"$ref\":\"#/$defs/d" + (i + 1) + "\"}") + ",\"d" + count
                + "\":{\"type\":\"null\"}}}";
    }

    private static String texts(Random random, int count) {
        return joined(count, _ -> "\"" + Long.toString(random.nextLong(), 36) + '"');
    }

    private static String bounded(String type, String what, Random random) {
        var least = random.nextBoolean() ? HUGE : random.nextInt(5_000);
        return "{\"type\":\"" + type + "\",\"min" + what + "\":" + least + ",\"max" + what + "\":"
                + (least + random.nextInt(5_000)) + "}";
    }

    private static String digits(Random random) {
        return "9".repeat(1 + random.nextInt(150));
    }

    private static String patterns(Random random) {
        return "{\"type\":\"object\",\"patternProperties\":{"
                + joined(
                        6,
                        i -> "\"" + "ab".charAt(i % 2) + ".{" + random.nextInt(30) + "}" + i + "\":{\"type\":"
                                + "\"string\"}")
                + "},\"propertyNames\":{\"pattern\":\".*a.{" + random.nextInt(30) + "}\"}}";
    }
}
