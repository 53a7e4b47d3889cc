package dev.llmworker.serving.wire;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Writes the frames of the WebSocket, which `/generate` also sends as server-sent events.
public final class FrameWriter implements EventWriter.OfTokens {
    private final boolean details;
    private final String opening;
    private int frames;

    /// @param details whether the last frame says more than the number of tokens
    public FrameWriter(boolean details) {
        this(details, null);
    }

    /// @param id as JSON, which each frame carries; null for none
    public FrameWriter(boolean details, @Nullable String id) {
        this.details = details;
        this.opening = id == null ? "{" : "{\"id\":" + id + ',';
    }

    @Override
    public List<StreamEvent> token(GenerationEvent.Token token) {
        return List.of(StreamEvent.of(frame(token)));
    }

    public String frame(GenerationEvent.Token token) {
        frames++;
        return tokenFrame(opening, token.text(), token.index());
    }

    /// The frame of one token. It is written by hand, because there is one for each token.
    ///
    /// @param opening the brace, and members before the others
    static String tokenFrame(String opening, String token, int index) {
        var json = new StringBuilder(opening.length() + token.length() + 32)
                .append(opening)
                .append("\"token\":\"");
        JsonStringEncoder.getInstance().quoteAsString(token, json);
        return Json.sound(json.append("\",\"index\":").append(index).append('}').toString());
    }

    @Override
    public List<StreamEvent> finished(Ending ending) {
        return List.of(StreamEvent.of(done(ending)));
    }

    /// The frame that ends a generation. Without `details` it gives the reason only of a cancelled one, so that old
    /// clients see what they know.
    public String done(Ending ending) {
        var frame = new LinkedHashMap<String, Object>();
        frame.put("done", true);
        frame.put("total_tokens", frames);
        if (details) {
            frame.putAll(ending.details());
        } else if (ending.finished().reason() == FinishReason.CANCELLED) {
            frame.put("finish_reason", ending.reason());
        }
        return opened(frame);
    }

    @Override
    public StreamEvent failed(JsonError error) {
        return StreamEvent.of(error(error));
    }

    /// The frame that says what is wrong.
    public String error(JsonError error) {
        return opened(error.fields());
    }

    private String opened(Map<String, Object> frame) {
        return opening + Json.text(frame).substring(1);
    }
}
