package dev.llmworker.serving.connection;

import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.TestSocket;
import dev.llmworker.testing.WorkerExtension;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;

/// A WebSocket to a worker whose generations say what the test has them say.
abstract class ScriptedSocketCase {
    final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    TestSocket socket;

    @BeforeEach
    void connect() {
        socket = worker.socket("/ws");
    }

    @AfterEach
    void disconnect() {
        socket.close();
    }

    void prompt(String text, String more) {
        socket.send("{\"prompt\":\"" + text + "\"" + more + "}");
    }

    /// Those that have begun, by their prompts.
    Map<String, ScriptedGenerator.Script> begun(int count) throws Exception {
        var scripts = new HashMap<String, ScriptedGenerator.Script>();
        for (var i = 0; i < count; i++) {
            var script = engine.next();
            scripts.put(script.prompt(), script);
        }
        return scripts;
    }

    static ScriptedGenerator.Script script(Map<String, ScriptedGenerator.Script> scripts, String prompt) {
        return Objects.requireNonNull(scripts.get(prompt), prompt);
    }
}
