package dev.llmworker.testing;

import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A command line of curl that calls a worker, as far as the documentation needs it.
///
/// @param body as the command sends it; null for none
/// @param isInBackground whether the next command does not wait for it
/// @param shownLines a word with which the lines begin that `grep` shows; null if all are shown
public record Curl(
        String method,
        String path,
        Map<String, String> headers,
        @Nullable String body,
        boolean isInBackground,
        @Nullable String shownLines) {
    private static final String SERVER = "localhost:8080";

    /// @return empty if it is another command, or one that this does not understand
    public static Optional<Curl> parse(String command) {
        var words = words(command);
        if (words.isEmpty() || !words.removeFirst().equals("curl")) {
            return Optional.empty();
        }
        String method = null, path = null, body = null, shownLines = null;
        var headers = new LinkedHashMap<String, String>();
        var isInBackground = false;
        for (var i = 0; i < words.size(); i++) {
            var word = words.get(i);
            var next = i + 1 < words.size() ? words.get(i + 1) : "";
            switch (word) {
                case "-X" -> method = next;
                case "-d" -> body = next;
                case "-H" -> headers.put(next.split(": ", 2)[0], next.split(": ", 2)[1]);
                case "|" -> {
                    if (!next.equals("grep")
                            || i + 3 != words.size()
                            || !words.getLast().startsWith("^")) {
                        return Optional.empty();
                    }
                    shownLines = words.getLast().substring(1);
                    i++;
                }
                case "&" -> isInBackground = true;
                case "-N" -> {}
                default -> {
                    if (!word.startsWith(SERVER + "/") || path != null) {
                        return Optional.empty();
                    }
                    path = word.substring(SERVER.length());
                }
            }
            if (List.of("-X", "-d", "-H", "|").contains(word)) {
                i++;
            }
        }
        var verb = method != null ? method : body == null ? "GET" : "POST";
        return path == null
                ? Optional.empty()
                : Optional.of(new Curl(verb, path, headers, body, isInBackground, shownLines));
    }

    /// The words of a shell. Quotes are single, and around whole words.
    private static List<String> words(String command) {
        var words = new ArrayList<String>();
        var rest = command.strip();
        while (!rest.isEmpty()) {
            var isQuoted = rest.startsWith("'");
            var end = rest.indexOf(isQuoted ? '\'' : ' ', 1);
            var word = end < 0 ? rest : rest.substring(0, end);
            words.add(isQuoted ? word.substring(1) : word);
            rest = end < 0 ? "" : rest.substring(isQuoted ? end + 1 : end).strip();
        }
        return words;
    }

    /// Sends what curl would send.
    public HttpRequest request(TestWorker worker) {
        var request = worker.request(path);
        request.header("Accept", "*/*");
        headers.forEach(request::header);
        if (body == null) {
            return request.method(method, BodyPublishers.noBody()).build();
        }
        request.header("Content-Type", "application/x-www-form-urlencoded");
        return request.method(method, BodyPublishers.ofString(body)).build();
    }
}
