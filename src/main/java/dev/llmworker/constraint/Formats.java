package dev.llmworker.constraint;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The `format`s of strings that are enforced, each by a regular expression over the whole text.
final class Formats {
    private static final String YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
    private static final String LEAP =
            "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
    private static final String DATE = "(?:" + YEAR + "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
            + "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" + LEAP + "-02-29)";
    private static final String TIME =
            "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?" + "(?:Z|[+-](?:0[0-9]|1[0-7]):[0-5][0-9])";
    private static final String BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private static final String IPV4 = "(?:" + BYTE + "\\.){3}" + BYTE;
    private static final String LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    private static final String HOSTNAME = LABEL + "(?:\\." + LABEL + ")*";
    private static final String ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+";
    private static final String PATH = "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})";
    private static final String HOST = "(?:\\[" + ipv6() + "\\]|(?:[a-zA-Z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})*)";
    private static final String USER = "(?:(?:[a-zA-Z0-9._~!$&'()*+,;=:-]|%[0-9a-fA-F]{2})*@)?";
    private static final String QUERY = "(?:\\?(?:" + PATH + "|[/?])*)?(?:#(?:" + PATH + "|[/?])*)?";
    private static final String AUTHORITY = "//" + USER + HOST + "(?::[0-9]*)?(?:/" + PATH + "*)*";
    private static final String ABSOLUTE = "/(?:" + PATH + "+(?:/" + PATH + "*)*)?";
    private static final String URI =
            "[a-zA-Z][a-zA-Z0-9+.-]*:(?:" + AUTHORITY + "|" + ABSOLUTE + "|" + PATH + "+(?:/" + PATH + "*)*|)" + QUERY;
    private static final String URI_REFERENCE = "(?:" + URI + "|(?:" + AUTHORITY + "|" + ABSOLUTE + "|"
            + PATH.replace(":@", "@") + "+(?:/" + PATH + "*)*|)" + QUERY + ")";
    private static final String TIME_OF_DURATION = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";

    private static final Map<String, String> PATTERNS = new TreeMap<>(Map.ofEntries(
            Map.entry("date", DATE),
            Map.entry("time", TIME),
            Map.entry("date-time", DATE + "T" + TIME),
            Map.entry(
                    "duration",
                    "P(?:(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?:" + TIME_OF_DURATION + ")?|"
                            + TIME_OF_DURATION + "|[0-9]+W)"),
            Map.entry("email", ATOM + "(?:\\." + ATOM + ")*@" + HOSTNAME),
            Map.entry("hostname", HOSTNAME),
            Map.entry("ipv4", IPV4),
            Map.entry("ipv6", ipv6()),
            Map.entry("uri", URI),
            Map.entry("uri-reference", URI_REFERENCE),
            Map.entry("uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"),
            Map.entry("json-pointer", "(?:/(?:[^~/]|~[01])*)*")));

    private static final Map<String, Dfa> COMPILED = new ConcurrentHashMap<>();

    private Formats() {}

    private static String ipv6() {
        var group = "[0-9a-fA-F]{1,4}";
        var all = new StringBuilder("(?:(?:" + group + ":){7}" + group);
        // Groups before and after the `::`, seven at most.
        for (var before = 0; before <= 7; before++) {
            var head = before == 0 ? "" : group + (before == 1 ? "" : "(?::" + group + "){" + (before - 1) + "}");
            var after = 7 - before;
            var tail = after == 0
                    ? ""
                    : "(?:" + group + (after == 1 ? "" : "(?::" + group + "){0," + (after - 1) + "}") + ")?";
            all.append('|').append(head).append("::").append(tail);
        }
        return all.append(')').toString();
    }

    static List<String> names() {
        return List.copyOf(PATTERNS.keySet());
    }

    /// Null for a format that is not enforced.
    static @Nullable Dfa find(String name) {
        var pattern = PATTERNS.get(name);
        return pattern == null
                ? null
                : COMPILED.computeIfAbsent(name, _ -> Regex.whole(new Work("format " + name), pattern));
    }
}
