package dev.llmworker.scaling.client;

import com.fasterxml.jackson.annotation.JsonAutoDetect;
import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.vertx.core.MultiMap;

/// The result of one HTTP request. JSON reports have four of its values.
///
/// @param at when it was sent, in seconds of the run
/// @param millis until the whole answer had arrived, or the request failed
/// @param status 0 if no answer came
/// @param worker the worker's id in its headers; empty if they have none
/// @param failure why no answer came; empty if one did
@JsonAutoDetect(
        fieldVisibility = Visibility.NONE,
        getterVisibility = Visibility.NONE,
        isGetterVisibility = Visibility.NONE)
public record Answer(
        @JsonProperty double at,
        @JsonProperty double millis,
        int status,
        @JsonProperty String worker,
        String body,
        String failure) {
    private static final int SHOWN_CHARACTERS = 120;

    public boolean isOk() {
        return status == 200;
    }

    /// `200`, `400 {"error":"no workers available"}`, `connection refused`.
    @JsonProperty
    public String outcome() {
        return status == 0 ? failure : isOk() ? "200" : refusal(status, body);
    }

    static String refusal(int status, String body) {
        return (status + " " + shortened(body)).strip();
    }

    /// What a server sent, on one line and no longer than a message should be.
    public static String shortened(String text) {
        var line = text.strip().replaceAll("\\s+", " ");
        return line.length() <= SHOWN_CHARACTERS ? line : line.substring(0, SHOWN_CHARACTERS) + "…";
    }

    /// The id of the worker that answered: in the worker's own header, or in RunPod's.
    static String worker(MultiMap headers) {
        var own = headers.get("X-Worker-Id");
        var runpods = headers.get("X-Runpod-Worker-Id");
        return own != null ? own : runpods != null ? runpods : "";
    }
}
