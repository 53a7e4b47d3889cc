package dev.llmworker.testing;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/// A scrape of `/metrics`.
///
/// @param values by name and labels, as the text has them: `llmworker_generations_refused_total{reason="loading"}`
public record Metrics(Map<String, Double> values) {
    private static final Pattern NAME = Pattern.compile("[a-zA-Z_][a-zA-Z0-9_]*");

    public static Metrics of(TestWorker worker) {
        try {
            return parse(worker.get("/metrics").body());
        } catch (Exception e) {
            throw new AssertionError("no metrics", e);
        }
    }

    public static Metrics parse(String text) {
        var values = new LinkedHashMap<String, Double>();
        text.lines().filter(line -> !line.startsWith("#")).forEach(line -> {
            var space = line.lastIndexOf(' ');
            values.put(line.substring(0, space), Double.valueOf(line.substring(space + 1)));
        });
        return new Metrics(values);
    }

    /// 0 where it is not there.
    public double value(String series) {
        return values.getOrDefault(series, 0.0);
    }

    /// Of all series of that name which have these labels, each as `label="value"`.
    public double sum(String name, String... labels) {
        return values.entrySet().stream()
                .filter(entry -> name(entry.getKey()).equals(name))
                .filter(entry -> Set.of(labels).stream().allMatch(entry.getKey()::contains))
                .mapToDouble(Map.Entry::getValue)
                .sum();
    }

    public Set<String> names() {
        var names = new TreeSet<String>();
        values.keySet().forEach(series -> names.add(name(series)));
        return names;
    }

    private static String name(String series) {
        var name = NAME.matcher(series);
        if (!name.lookingAt()) {
            throw new AssertionError(series + " is no series");
        }
        return name.group();
    }
}
