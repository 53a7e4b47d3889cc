import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.agent.tool.ToolSpecifications;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.TokenStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// LangChain4j's AI services with tools, against a worker. Class path: that of the pom.xml beside it.
///
/// usage: `java AiService.java BASE_URL SCRIPTED_URL`, of a worker with a real model, and of testing.ScriptedWorker
public class AiService {
    /// Java does not keep the names of parameters here.
    private static final String QUESTION =
            "SAY I add.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"arg0\": 2, \"arg1\": 3}}\n</tool_call>";

    interface Assistant {
        String chat(String message);
    }

    interface StreamingAssistant {
        TokenStream chat(String message);
    }

    static class Calculator {
        final List<String> calls = new ArrayList<>();

        @Tool("Adds two numbers")
        int add(int a, int b) {
            calls.add(a + "+" + b);
            return a + b;
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("FAILED: " + what);
        }
    }

    public static void main(String[] urls) throws Exception {
        var calculator = new Calculator();
        var model = OpenAiChatModel.builder()
                .baseUrl(urls[1])
                .apiKey("unused")
                .modelName("scripted")
                .maxRetries(0)
                .timeout(Duration.ofMinutes(2))
                .build();
        var answer = AiServices.builder(Assistant.class)
                .chatModel(model)
                .tools(calculator)
                .build()
                .chat(QUESTION);
        check(answer.equals("The tool says: 5"), answer);

        var streaming = OpenAiStreamingChatModel.builder()
                .baseUrl(urls[1])
                .apiKey("unused")
                .modelName("scripted")
                .timeout(Duration.ofMinutes(2))
                .build();
        var text = new CompletableFuture<String>();
        AiServices.builder(StreamingAssistant.class)
                .streamingChatModel(streaming)
                .tools(calculator)
                .build()
                .chat(QUESTION)
                .onPartialResponse(_ -> {})
                .onCompleteResponse(
                        response -> text.complete(response.aiMessage().text()))
                .onError(text::completeExceptionally)
                .start();
        check(text.get().equals("The tool says: 5"), text.get());
        check(calculator.calls.equals(List.of("2+3", "2+3")), calculator.calls.toString());
        required(urls[0]);
        System.out.println("LangChain4j's AI service calls tools: " + calculator.calls);
    }

    /// A small real model must call.
    private static void required(String url) {
        var model = OpenAiChatModel.builder()
                .baseUrl(url)
                .apiKey("unused")
                .maxRetries(0)
                .timeout(Duration.ofMinutes(2))
                .maxCompletionTokens(100)
                .temperature(0.0)
                .parallelToolCalls(false)
                .build();
        var request = ChatRequest.builder()
                .messages(UserMessage.from("Add 2 and 3."))
                .toolSpecifications(ToolSpecifications.toolSpecificationsFrom(Calculator.class))
                .toolChoice(ToolChoice.REQUIRED)
                .build();
        var message = model.chat(request).aiMessage();
        check(message.hasToolExecutionRequests(), message.toString());
        check(message.toolExecutionRequests().getFirst().name().equals("add"), message.toString());
    }
}
