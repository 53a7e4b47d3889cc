package dev.llmworker.text.jinja;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/// What `src/test/python/jinja_golden.py` wrote, compared with what we render.
///
/// By hand over real templates, which are not in the repository:
/// `python jinja_golden.py templates FOLDER golden.json`, then this class's main with `golden.json`.
final class GoldenCases {
    /// The time that the script gives to `strftime_now`.
    static final Clock CLOCK = Clock.fixed(Instant.parse("2024-07-03T09:05:07Z"), ZoneOffset.UTC);

    private static final ObjectMapper MAPPER = new ObjectMapper();

    /// @param wrong for each case that differs what it is, what is wanted and what came
    record Outcome(int equal, List<String> wrong, Map<String, int[]> equalAndWrongByName) {}

    private GoldenCases() {}

    static Outcome compare(InputStream golden) throws IOException {
        var file = MAPPER.readTree(golden);
        int equal = 0;
        var wrong = new ArrayList<String>();
        var byName = new TreeMap<String, int[]>();
        for (var entry : file.get("cases")) {
            var wanted = wanted(entry);
            var rendered = rendered(entry, entry.has("variables") ? entry.get("variables") : file.get("variables"));
            boolean same = rendered.equals(wanted) || wanted.startsWith("error") && rendered.startsWith("error");
            var counts = byName.computeIfAbsent(entry.path("name").asText(), _ -> new int[2]);
            counts[same ? 0 : 1]++;
            if (same) {
                equal++;
            } else {
                wrong.add(entry.path("name").asText(shown(entry.get("source").asText())) + "\n  wanted " + wanted
                        + "\n  came   " + rendered);
            }
        }
        return new Outcome(equal, wrong, byName);
    }

    /// The templates of the committed cases.
    static List<String> sources() throws IOException {
        try (var golden = Objects.requireNonNull(GoldenCases.class.getResourceAsStream("/jinja/cases.json"))) {
            var sources = new ArrayList<String>();
            MAPPER.readTree(golden)
                    .get("cases")
                    .forEach(entry -> sources.add(entry.get("source").asText()));
            return sources;
        }
    }

    private static String wanted(JsonNode entry) {
        if (entry.has("expected")) {
            return "text " + shown(entry.get("expected").asText());
        }
        return entry.has("raised")
                ? "raised " + entry.get("raised").asText()
                : "error " + entry.get("error").asText();
    }

    private static String rendered(JsonNode entry, JsonNode variables) {
        try {
            var template = JinjaTemplate.parse(entry.get("source").asText(), JinjaLimits.standard(), CLOCK);
            Map<String, Object> values =
                    MAPPER.convertValue(variables, new TypeReference<HashMap<String, Object>>() {});
            return "text " + shown(template.render(values));
        } catch (JinjaException e) {
            return e.kind() == JinjaException.Kind.RAISED ? "raised " + e.reason() : "error " + e.getMessage();
        }
    }

    private static String shown(String text) {
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r");
    }

    public static void main(String[] arguments) throws IOException {
        try (var golden = Files.newInputStream(Path.of(arguments[0]))) {
            var outcome = compare(golden);
            outcome.wrong().forEach(System.out::println);
            outcome.equalAndWrongByName()
                    .forEach((name, counts) ->
                            System.out.println(name + ": " + counts[0] + " equal, " + counts[1] + " not"));
            System.out.println(outcome.equal() + " equal, " + outcome.wrong().size() + " not");
        }
    }
}
