package dev.llmworker.serving.beans;

import dev.llmworker.serving.camel.StrictJsonFormat;
import dev.llmworker.serving.wire.AnswerException;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.StrictJson;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.apache.camel.Exchange;
import org.apache.camel.spi.DataFormat;
import org.apache.camel.support.service.ServiceSupport;

/// The data format `jsonAnswer`: `unmarshal` makes a `Map` of the first JSON object in a generated text, whatever
/// stands round it, such as a sentence or a Markdown fence.
final class AnswerJsonFormat extends ServiceSupport implements DataFormat {
    private final StrictJsonFormat json;

    AnswerJsonFormat(StrictJsonFormat json) {
        this.json = json;
    }

    @Override
    public void marshal(Exchange exchange, Object body, OutputStream out) throws Exception {
        json.marshal(exchange, body, out);
    }

    /// @throws AnswerException when there is none
    @Override
    public Object unmarshal(Exchange exchange, InputStream stream) throws Exception {
        return object(new String(stream.readAllBytes(), StandardCharsets.UTF_8));
    }

    static Object object(String answer) {
        var begin = answer.indexOf('{');
        if (begin < 0) {
            throw new AnswerException("the answer has no JSON object: " + RequestFields.shortened(answer));
        }
        try {
            return StrictJson.object(answer.substring(begin, end(answer, begin)), "the answer");
        } catch (RequestException e) {
            throw new AnswerException(e.getMessage() + ": " + RequestFields.shortened(answer.substring(begin)));
        }
    }

    /// The end of the object that begins at `begin`; the end of the text if the object is incomplete.
    private static int end(String answer, int begin) {
        var depth = 0;
        var quoted = false;
        for (var i = begin; i < answer.length(); i++) {
            switch (answer.charAt(i)) {
                case '\\' -> i += quoted ? 1 : 0;
                case '"' -> quoted = !quoted;
                case '{' -> depth += quoted ? 0 : 1;
                case '}' -> {
                    depth -= quoted ? 0 : 1;
                    if (depth == 0) {
                        return i + 1;
                    }
                }
                default -> {}
            }
        }
        return answer.length();
    }
}
