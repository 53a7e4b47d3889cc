import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.ResponseConnection;
import com.openai.models.responses.Response;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseStatus;
import com.openai.models.responses.ResponseSteerEvent;
import com.openai.models.responses.ResponsesClientEvent;
import java.util.Optional;
import java.util.stream.Collectors;

/// OpenAI's client for Java, by the API of responses: by HTTP, and by WebSocket with a conversation of which nothing is
/// stored.
///
/// usage: `java -cp LIBRARIES Responses.java SCRIPTED_URL` of testing.ScriptedWorker
public class Responses {
    private static final String MODEL = "scripted";

    public static void main(String[] arguments) {
        var client = OpenAIOkHttpClient.builder()
                .baseUrl(arguments[0] + "/v1")
                .apiKey("unused")
                .maxRetries(0)
                .build();
        var whole = client.responses()
                .create(ResponseCreateParams.builder()
                        .model(MODEL)
                        .input("SAY whole")
                        .build());
        check(text(whole).equals("whole"), whole);
        try (var connection = client.responses().connect()) {
            var first = create(connection, "SAY one", Optional.empty());
            check(text(first).equals("one"), first);
            var second = create(connection, "SAY two", Optional.of(first.id()));
            check(second.previousResponseId().equals(Optional.of(first.id())), second);
            connection.send(ResponsesClientEvent.ofResponseSteer(ResponseSteerEvent.builder()
                    .previousResponseId(second.id())
                    .input("too late")
                    .build()));
            var failed = connection.receive();
            check(failed.isResponseSteerFailed(), failed);
        }
        System.out.println("OpenAI's client for Java is answered by WebSocket");
        client.close();
    }

    private static Response create(ResponseConnection connection, String input, Optional<String> previous) {
        connection.send(ResponsesClientEvent.ofResponseCreate(ResponsesClientEvent.ResponseCreate.builder()
                .model(MODEL)
                .store(false)
                .input(input)
                .previousResponseId(previous)
                .build()));
        var response = connection.finalResponse();
        check(response.status().equals(Optional.of(ResponseStatus.COMPLETED)), response);
        return response;
    }

    private static String text(Response response) {
        return response.output().stream()
                .flatMap(item -> item.message().stream())
                .flatMap(message -> message.content().stream())
                .flatMap(content -> content.outputText().stream())
                .map(text -> text.text())
                .collect(Collectors.joining());
    }

    private static void check(boolean holds, Object what) {
        if (!holds) {
            throw new IllegalStateException("FAILED: " + what);
        }
    }
}
