import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Starts one Elasticsearch node from plain jars, without the distribution's scripts.
 * Arguments: the configuration directory (with elasticsearch.yml) and the home directory (with modules/).
 */
public class Launcher {
    public static void main(String[] args) throws Exception {
        Path config = Path.of(args[0]);
        Path home = Path.of(args[1]);
        LogConfigurator.configureESLogging();
        Settings settings =
            Settings.builder().loadFromPath(config.resolve("elasticsearch.yml")).put("path.home", home).build();
        PluginsLoader modules = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(home.resolve("modules")), Set.of(), Map.of());
        try {
            new Node(new Environment(settings, config), modules).start();
        } catch (Throwable failure) {
            failure.printStackTrace();
            // Threads of a half-started node would keep the process alive.
            Runtime.getRuntime().halt(1);
        }
        // All of the node's own threads are daemons.
        new CountDownLatch(1).await();
    }
}
