package client;

import java.util.Map;

/// What came of one HTTP request.
///
/// @param at when it was sent, in seconds of the run
/// @param millis until the whole answer was there, or it failed
/// @param status 0 where no answer came
/// @param worker the id in its headers; empty where it has none
/// @param failure why no answer came; empty where one did
public record Answer(double at, double millis, int status, String worker, String body, String failure) {
    private static final int SHOWN_CHARACTERS = 120;

    public boolean isOk() {
        return status == 200;
    }

    /// `200`, `400 {"error":"no workers available"}`, `connection refused`.
    public String outcome() {
        if (status == 0) {
            return failure;
        }
        var text = of(body);
        return isOk() || text.isEmpty() ? Integer.toString(status) : status + " " + text;
    }

    /// What a server sent, on one line and no longer than a message should be.
    public static String of(String text) {
        var line = text.strip().replaceAll("\\s+", " ");
        return line.length() <= SHOWN_CHARACTERS ? line : line.substring(0, SHOWN_CHARACTERS) + "…";
    }

    /// The id of the worker that answered: the worker's own header, or RunPod's.
    static String worker(Map<String, String> lowerCaseHeaders) {
        var own = lowerCaseHeaders.getOrDefault("x-worker-id", "");
        return own.isEmpty() ? lowerCaseHeaders.getOrDefault("x-runpod-worker-id", "") : own;
    }
}
