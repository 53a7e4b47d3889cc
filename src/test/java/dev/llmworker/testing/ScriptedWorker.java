package dev.llmworker.testing;

import dev.llmworker.generation.Generator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A worker whose model says what its client tells it to. Client libraries are tried against it.
///
/// The answer to a message that begins with `SAY` is the rest of the message. The answer to a tool's result is
/// `The tool says: ` and the result; to any other message, `I heard: ` and the message.
///
/// `ROUTES` and `ROUTE_TOOLS` of the environment count as for `./worker`.
///
/// usage: `java -cp target/test-classes:target/classes:target/lib/* dev.llmworker.testing.ScriptedWorker PORT`
public final class ScriptedWorker {
    public static final String SAY = "SAY ";

    private static final String TURN = "<|im_start|>";
    private static final String END = "<|im_end|>";

    /// As Qwen 3's.
    private static final String TEMPLATE = """
        {%- if tools %}<|im_start|>system
        {% for tool in tools %}{{ tool | tojson }}
        {% endfor %}<|im_end|>
        {% endif %}
        {%- for message in messages %}<|im_start|>{{ message.role }}
        {% if message.reasoning_content %}<think>
        {{ message.reasoning_content }}
        </think>

        {% endif %}{{ message.content }}
        {%- for call in message.tool_calls %}
        <tool_call>
        {"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
        </tool_call>
        {%- endfor %}<|im_end|>
        {% endfor %}
        {%- if add_generation_prompt %}<|im_start|>assistant
        {% endif %}\
        """;

    private ScriptedWorker() {}

    /// The real engine with the scripted model.
    public static Generator generator() {
        return new ScriptedModel(END, List.of(TURN), List.of(), ScriptedWorker::answer).start(TEMPLATE);
    }

    private static String answer(String prompt) {
        var turns = prompt.split(TURN.replace("|", "\\|"), -1);
        if (turns.length < 2) {
            // A raw prompt has no turns.
            return "I heard: " + prompt;
        }
        // The last one is the answer's.
        var last = turns[turns.length - 2];
        var lineEnd = last.indexOf('\n');
        var content = last.substring(lineEnd + 1, last.lastIndexOf(END));
        if (last.startsWith("tool")) {
            return "The tool says: " + content;
        }
        return content.startsWith(SAY) ? content.substring(SAY.length()) : "I heard: " + content;
    }

    public static void main(String[] arguments) throws Exception {
        var environment = new HashMap<>(Map.of("PORT", arguments[0]));
        for (var name : List.of("ROUTES", "ROUTE_TOOLS")) {
            Optional.ofNullable(System.getenv(name)).ifPresent(value -> environment.put(name, value));
        }
        var worker = new RunningWorker(generator(), environment);
        System.out.println("serving on port " + worker.port().port());
    }
}
