package dev.llmworker.stats;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Metrics;
import dev.llmworker.testing.RunningWorker;
import java.net.http.HttpRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// What the dashboard, the alert rules and the documentation name is what a worker shows.
class DashboardTest {
    private static final Path DASHBOARD = Path.of("docs/grafana/camel-llm-worker.json");
    private static final Pattern METRIC = Pattern.compile("\\b(gen_ai|http_server|llmworker|process|jvm)_[a-z_]+");
    private static final Pattern DOCUMENTED = Pattern.compile("`((?:gen_ai|http_server|llmworker)_[a-z_]+)`");
    private static final Pattern LABEL =
            Pattern.compile("gen_ai_(operation_name|provider_name|request_model|token_type)");

    private static Set<String> exported;

    @BeforeAll
    static void scrape() throws Exception {
        try (var worker = new RunningWorker(new MockGenerator(), Map.of("API_KEYS", "good"))) {
            var prompt = HttpRequest.BodyPublishers.ofString("{\"prompt\":\"x\"}");
            RunningWorker.send(
                    worker.request("/generate").header("X-API-Key", "good").POST(prompt));
            var metrics = RunningWorker.send(worker.request("/metrics").header("X-API-Key", "good"));
            exported = new TreeSet<>(Metrics.parse(metrics.body()).names());
        }
        // What the mock does not measure.
        exported.add("llmworker_queue_duration_seconds_bucket");
        exported.add("llmworker_kv_cache_kind_bytes");
    }

    private static Set<String> named(String text, Pattern pattern) {
        var names = new TreeSet<String>();
        pattern.matcher(text)
                .results()
                .map(found -> found.group(found.groupCount() > 0 && pattern == DOCUMENTED ? 1 : 0))
                .filter(name -> !LABEL.matcher(name).matches())
                .filter(name -> !name.startsWith("http_route") && !name.startsWith("http_response"))
                .forEach(names::add);
        assertFalse(names.isEmpty(), "no metric was found");
        return names;
    }

    private static Set<String> unknown(Set<String> names) {
        var unknown = new TreeSet<>(names);
        unknown.removeAll(exported);
        return unknown;
    }

    @Test
    void everyMetricOfTheDashboardIsExported() throws Exception {
        var dashboard = new ObjectMapper().readTree(DASHBOARD.toFile());
        var expressions = String.join("\n", dashboard.findValuesAsText("expr"));
        assertEquals(Set.of(), unknown(named(expressions, METRIC)));
    }

    @Test
    void everyMetricOfTheAlertRulesIsExported() throws Exception {
        assertEquals(Set.of(), unknown(named(Files.readString(Path.of("docs/grafana/alerts.yml")), METRIC)));
    }

    @Test
    void whatIsDocumentedIsExportedAndTheOtherWayRound() throws Exception {
        var documented = named(Files.readString(Path.of("docs/observability.md")), DOCUMENTED);
        var shown = new TreeSet<String>();
        for (var name : exported) {
            if (name.startsWith("gen_ai") || name.startsWith("http_server") || name.startsWith("llmworker")) {
                shown.add(name.replaceFirst("_(bucket|sum|count)$", ""));
            }
        }
        assertEquals(shown, documented);
        assertTrue(shown.size() > 25, shown::toString);
    }
}
